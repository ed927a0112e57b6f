"""A job that has succeeded has a report, and it agrees with the manifest that was published beside it."""

from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from ted_core.results.manifest import read_manifest
from ted_core.results.report import Report
from ted_jobs.errors import ArtifactNotReady
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Supervised = Callable[..., Supervisor]


@pytest.mark.parametrize("plan", [{"q": 1}, {"method": "random"}], ids=["ted", "random"])
def test_the_report_agrees_with_manifest_decisions_and_events(
    claimed: Claimed, supervised: Supervised, store: JobStore, settings: Settings, plan: dict[str, object]
) -> None:
    claim = claimed(epochs=6, **plan)

    job = supervised(claim).run()

    assert job is not None
    files = {kind: store.artifact(job.id, kind, tenant="default") for kind in ("manifest", "decisions", "report")}
    report = Report.model_validate_json((settings.artifacts / files["report"].key).read_bytes())
    manifest = read_manifest(settings.artifacts / files["manifest"].key)
    reasons = pq.read_table(settings.artifacts / files["decisions"].key)["reason"].to_pylist()
    rounds = [
        event.data for event in store.events(job.id, tenant="default", after=0, limit=100) if event.type == "job.round"
    ]
    assert (report.job_id, report.rows_kept) == (job.id, len(manifest.row_indices))
    assert report.reasons == {phrase: reasons.count(phrase) for phrase in set(reasons)}
    assert sum(row.before for row in report.classes) == report.dataset.rows == 1797
    assert [(row.round, row.retained, row.internal_generalization) for row in report.rounds] == [
        (data["round"], data["retained"], data["internal_generalization"]) for data in rounds
    ]
    assert report.cost.rows_trained == (job.result or {})["cost"]["rows_trained"]
    assert report.cost.seconds.loading > 0
    assert (job.result or {})["report_sha256"] == files["report"].sha256


def test_an_attempt_that_loses_its_lease_leaves_no_report(
    claimed: Claimed, supervised: Supervised, store: JobStore
) -> None:
    claim = claimed(epochs=3)
    supervisor = supervised(claim)

    supervisor.leases.release(claim)

    assert supervisor.run() is None
    with pytest.raises(ArtifactNotReady):
        store.artifact(claim.job.id, "report", tenant="default")
