"""A job that another version has stored is a problem of its own, and of no other job's readers."""

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from ted_jobs.db.engine import write_transaction
from ted_jobs.db.tables import jobs
from tests.service.conftest import Json, on_both_databases


@on_both_databases
def test_a_job_that_only_another_version_can_read_is_a_problem_and_does_not_hide_the_others(
    client: TestClient, submission: Callable[..., Json], engine: Engine
) -> None:
    ours, foreign, also_ours = (client.post("/v1/jobs", json=submission()).json()["id"] for _ in range(3))
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == foreign).values(spec={"from": "the future"}))

    answer, listed = client.get(f"/v1/jobs/{foreign}"), client.get("/v1/jobs", params={"limit": 2}).json()

    assert (answer.status_code, answer.json()["code"]) == (503, "job_unreadable")
    assert "one version everywhere" in answer.json()["detail"]
    assert answer.headers["Retry-After"]
    assert [job["id"] for job in listed["data"]] == [also_ours, ours]
    assert client.get(f"/v1/jobs/{foreign}/events").status_code == 200
