"""Which jobs a list holds: by label and by time; and pages that stay whole while jobs come and go."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from ted_jobs.db.engine import write_transaction
from ted_jobs.db.tables import jobs
from tests.service.conftest import Json, on_both_databases

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOSTILE = [
    ("team", "vision"),
    ("a.b", "dotted"),
    ("a:b", "coloned"),
    ("-._:", "1"),
    ("quotes", 'it\'s "quoted" -- ; DROP TABLE jobs'),
    ("path", "$.metadata.team"),
    ("wild", "%_*"),
    ("back", "\\u0041 \\"),
    ("unicode", "Zoë 猫 🐈"),
    ("empty", ""),
    ("number", "1"),
    ("json", '{"a": [1]}'),
]


@pytest.fixture
def labelled(client: TestClient, submission: Callable[..., Json]) -> Callable[..., str]:
    def submit(**metadata: str) -> str:
        return client.post("/v1/jobs", json=submission(metadata=metadata)).json()["id"]

    return submit


def listed(client: TestClient, query: str) -> list[str]:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["data"]]


@on_both_databases
def test_jobs_are_found_by_any_label(client: TestClient, labelled: Callable[..., str]) -> None:
    wanted = labelled(**dict(HOSTILE))
    labelled(**{key: f"{value}!" for key, value in HOSTILE})
    labelled()

    for key, value in HOSTILE:
        assert listed(client, f"metadata[{quote(key)}]={quote(value)}") == [wanted], key
    assert listed(client, "metadata%5Bteam%5D=vision") == [wanted]
    assert listed(client, "metadata[other]=vision") == []


@on_both_databases
def test_a_job_must_have_all_requested_labels(client: TestClient, labelled: Callable[..., str]) -> None:
    both = labelled(team="vision", stage="test")
    labelled(team="vision")
    labelled(stage="test")

    assert listed(client, "metadata[team]=vision&metadata[stage]=test") == [both]
    assert listed(client, "metadata[team]=vision&metadata[stage]=test&status=running") == []


@on_both_databases
def test_a_nul_in_one_job_s_labels_hides_no_other_job(client: TestClient, labelled: Callable[..., str]) -> None:
    labelled(team="vi\0sion")
    wanted = labelled(team="vision")

    assert listed(client, "metadata[team]=vision") == [wanted]


@on_both_databases
def test_jobs_are_found_by_time_of_submission(client: TestClient, labelled: Callable[..., str], engine: Engine) -> None:
    ids = [labelled() for _ in range(3)]
    with write_transaction(engine) as connection:
        for hours, job_id in enumerate(ids):
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(created_at=NOON + timedelta(hours=hours)))

    assert listed(client, "created_after=2026-01-31T12:30:00Z") == ids[:0:-1]
    assert listed(client, "created_after=2026-01-31T14:30:00%2B02:00") == ids[:0:-1]
    assert listed(client, "created_before=2026-01-31T12:30:00.5z") == ids[:1]
    assert listed(client, "created_after=2026-01-31T12:00:00Z&created_before=2026-01-31T14:00:00Z") == ids[1:2]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metadata[te am]=x", "metadata[te am]"),
        ("metadata[]=x", "metadata[]"),
        ("metadata[a%27]=x", "metadata[a']"),
        ("metadata[a%22]=x", 'metadata[a"]'),
        ("metadata[a%0D%0Ab]=x", "metadata[a\r\nb]"),
        ("metadata[ä]=x", "metadata[ä]"),
        ("metadata[a][b]=x", "metadata[a][b]"),
        (f"metadata[{65 * 'a'}]=x", f"metadata[{65 * 'a'}]"),
        ("metadata[a]=1&metadata[a]=2", "metadata[a]"),
        ("metadata[a]=%00", "metadata[a]"),
        (f"metadata[a]={513 * 'x'}", "metadata[a]"),
        ("&".join(f"metadata[k{n}]=x" for n in range(17)), "metadata"),
        ("metadata=x", "metadata"),
        ("metadata.team=x", "metadata.team"),
        ("order=oldest", "order"),
        ("created_after=2026-01-31T12:00:00", "created_after"),
        ("created_after=2026-01-31T12:00:00+02:00", "created_after"),
        ("created_after=2026-01-31", "created_after"),
        ("created_after=1769860800", "created_after"),
        ("created_before=0001-01-01T00:00:00%2B14:00", "created_before"),
        ("created_before=9999-12-31T23:59:59-14:00", "created_before"),
        ("created_before=2026-02-30T00:00:00Z", "created_before"),
        ("created_before=2026-01-31T12:00:00%2B99:00", "created_before"),
        ("created_before=", "created_before"),
        ("after=job_" + 28 * "0" + ".x", "after"),
        ("after=job_" + 28 * "0" + "." + 18 * "9", "after"),
    ],
)
def test_an_invalid_filter_is_refused_by_name(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@on_both_databases
def test_pages_neither_repeat_nor_skip_a_job_while_others_are_submitted_and_deleted(
    client: TestClient, labelled: Callable[..., str]
) -> None:
    ids = [labelled() for _ in range(6)]
    seen: list[str] = []

    page = client.get("/v1/jobs?limit=2").json()
    while True:
        seen += [job["id"] for job in page["data"]]
        for job in page["data"]:  # the one that the next page goes on from among them
            client.post(job["links"]["cancel"])
            assert client.delete(job["links"]["self"]).status_code == 204
        labelled()
        if not page["has_more"]:
            break
        page = client.get("/v1/jobs", params={"limit": 2, "after": page["next"]}).json()

    assert len(seen) == len(set(seen))
    assert set(seen) == set(ids)


@on_both_databases
@pytest.mark.parametrize("instant", ["0", 17 * "9"])
def test_a_cursor_of_any_time_is_valid(client: TestClient, labelled: Callable[..., str], instant: str) -> None:
    ids = [labelled()]

    assert listed(client, f"after=job_{28 * '0'}.{instant}") == (ids if int(instant) else [])


@on_both_databases
def test_a_search_by_two_labels_looks_through_a_few_jobs_at_a_time_and_leads_on(
    client: TestClient, labelled: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ted_jobs.jobs.filter.MOST_SEARCHED_BY_LABEL", 3)
    wanted = labelled(team="vision", project="owls")
    for _ in range(5):
        labelled(team="vision", project="cats")
    for _ in range(4):
        labelled(project="owls")

    query = {"metadata[project]": "owls", "metadata[team]": "vision", "status": "queued"}
    pages, cursor = [], None
    while not pages or cursor:
        after = {"after": cursor} if cursor else {}
        page = client.get("/v1/jobs", params={**query, **after}).json()
        pages.append([job["id"] for job in page["data"]])
        assert page["has_more"] == (page["next"] is not None)
        cursor = page["next"]

    assert pages == [[], [wanted]]


@on_both_databases
def test_a_page_of_one_label_is_full_however_rare_it_is(
    client: TestClient, labelled: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ted_jobs.jobs.filter.MOST_SEARCHED_BY_LABEL", 1)
    wanted = [labelled(project="owls") for _ in range(2)]
    for _ in range(3):
        labelled(project="cats")

    page = client.get("/v1/jobs?metadata[project]=owls").json()

    assert ([job["id"] for job in page["data"]], page["next"]) == (wanted[::-1], None)
