"""Whoever asks about a job that went on with warnings is told the same ones; a strict job does not go on."""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from rich.console import Console

from service.schemas import jobs as schemas
from ted_cli.job_summary import job_summary
from ted_cli.report_summary import summary
from ted_client.job import JobSnapshot
from ted_core import plugins
from ted_core.datasets import inspect
from ted_core.errors import WarningsRefused
from ted_core.results.manifest import read_manifest
from ted_core.results.recuts.recut import recut
from ted_core.results.report import Report
from ted_core.warnings import JobWarning, WarningCode
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.messages import Assignment, RunnerMessage, Warned
from worker.runner import WarningReporter
from worker.supervisor import Supervisor

Supervised = Callable[..., Supervisor]
FORMAT = """
from dataclasses import replace

from ted_core.datasets.findings import warn
from ted_core.datasets.formats.parquet import PARQUET
from ted_core.warnings import WarningCode


def schema_summary(sources, spec):
    warn(WarningCode.COLUMNS_LEFT_OUT, "'row' counts the rows", field="dataset.input")
    return PARQUET.schema_summary(sources, spec)


def load(sources, spec, limits):
    warn(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 2 values in 1,797 rows", field="dataset.input")
    return PARQUET.load(sources, spec, limits)


WARNS = replace(PARQUET, schema_summary=schema_summary, load=load)
"""
EARLY = JobWarning.of(WarningCode.COLUMNS_LEFT_OUT, "'row' counts the rows", field="dataset.input")
LATE = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 2 values in 1,797 rows", field="dataset.input")


@pytest.fixture
def _format_that_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package whose format warns when it is inspected and when it is loaded, here and in runners."""
    site = tmp_path / "site"
    installed = site / "ted_warns-1.dist-info"
    installed.mkdir(parents=True)
    (site / "ted_warns.py").write_text(FORMAT)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: ted-warns\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[ted.datasets]\nwarns = ted_warns:WARNS\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    plugins.installed.cache_clear()
    yield
    plugins.installed.cache_clear()


@dataclass(frozen=True)
class Submitter:
    """Submits jobs whose dataset's format warns, as the API does, and runs them."""

    store: JobStore
    leases: Leases
    settings: Settings
    digits: Path
    supervised: Supervised

    def run(self, **changes: object) -> Job:
        """Return the job after its attempt."""
        spec = JobSpec.model_validate(
            {
                "dataset": {"uri": str(self.digits), "format": "warns", "task": "image-classification"},
                "proxy": {"name": "mlp", "epochs": 3},
                "plan": {"keep_ratio": 0.6, "method": "random"},
                **changes,
            }
        )
        summary = inspect(spec.dataset, roots=self.settings.dataset_roots)
        assert summary.warnings == (EARLY,)
        self.store.submit(spec, summary, tenant="default", warnings=summary.warnings)
        claim = self.leases.claim_next(worker="test")
        assert claim
        job = self.supervised(claim).run()
        assert job
        return job

    def events(self, job: Job) -> list[tuple[str, object]]:
        """Return type and data of what has happened to the job."""
        return [(event.type, event.data) for event in self.store.events(job.id, tenant="default", after=0, limit=100)]

    def path(self, job: Job, kind: str) -> Path:
        """Return the published file."""
        return self.settings.artifacts / self.store.artifact(job.id, kind, tenant="default").key


@pytest.fixture
def submitter(
    _format_that_warns: None,
    store: JobStore,
    leases: Leases,
    settings: Settings,
    digits: Path,
    supervised: Supervised,
) -> Submitter:
    return Submitter(store, leases, settings, digits, supervised)


def test_job_result_report_manifest_and_terminal_show_the_same_warnings(submitter: Submitter, tmp_path: Path) -> None:
    job = submitter.run()

    report = Report.model_validate_json(submitter.path(job, "report").read_bytes())
    decisions = submitter.path(job, "decisions")
    cut = recut(decisions, keep_ratio=0.5, to=tmp_path / "cut.parquet")
    shown = schemas.Job.of(job)
    assert job.status is JobStatus.SUCCEEDED
    assert job.warnings == shown.warnings == (EARLY, LATE)
    assert shown.result is not None
    assert shown.result.warnings == report.warnings == (EARLY, LATE)
    assert read_manifest(submitter.path(job, "manifest")).metadata.warnings == cut.warnings == (EARLY, LATE)
    for screen in (printed(summary(report.model_dump(mode="json"))), printed(summary_of(shown))):
        assert all(f"{one.code} ({one.field}): {one.message}" in screen for one in (EARLY, LATE))


def test_what_only_the_worker_sees_is_an_event(submitter: Submitter) -> None:
    job = submitter.run()

    warned = [data for kind, data in submitter.events(job) if kind == "job.warning"]
    assert warned == [asdict(LATE)]


def test_a_strict_job_fails_before_anything_is_trained(submitter: Submitter) -> None:
    job = submitter.run(strict=True)

    assert (job.status, job.attempt) == (JobStatus.FAILED, 1)
    error = job.error or {}
    assert (error["code"], error["field"], error["retryable"]) == ("warnings_refused", "dataset.input", False)
    assert LATE.message.removesuffix(".") in error["message"]
    assert "job.round" not in [kind for kind, _ in submitter.events(job)]
    assert job.warnings == (EARLY,)


def test_a_strict_job_fails_of_what_is_found_after_training_too() -> None:
    assignment = Assignment.model_construct(spec=JobSpec.model_construct(strict=True), warnings=())
    sent: list[RunnerMessage] = []
    warnings = WarningReporter(assignment, sent.append)
    warnings.check()

    warnings.note([LATE])

    assert sent == [Warned(**asdict(LATE))]
    with pytest.raises(WarningsRefused, match="keys_not_unique"):
        warnings.check()


def test_a_job_that_is_not_strict_goes_on_and_tells_nothing_twice() -> None:
    assignment = Assignment.model_construct(spec=JobSpec.model_construct(strict=False), warnings=(EARLY,))
    sent: list[RunnerMessage] = []
    warnings = WarningReporter(assignment, sent.append)

    for found in ([EARLY, LATE], [LATE], []):
        warnings.note(found)
        warnings.check()

    assert sent == [Warned(**asdict(LATE))]
    assert warnings.all == (EARLY, LATE)


def summary_of(job: schemas.Job) -> object:
    return job_summary(JobSnapshot(job.model_dump(mode="json")), "succeeded")


def printed(content: object) -> str:
    screen = Console(file=io.StringIO(), width=1000)
    screen.print(content, highlight=False)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()
