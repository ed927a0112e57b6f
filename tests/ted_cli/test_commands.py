"""The subcommands of ``ted`` against the real service."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ted_cli.estimate import estimate_table
from ted_cli.main import app
from ted_cli.request.faults import error_text
from ted_cli.request.jobs import job_id
from ted_client import Client, Job
from ted_client.errors import ClientError
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.servers.webhook_receivers import receiving

Ted = Callable[..., str]
JOB = f"job_{'0' * 28}"


@pytest.fixture
def ted(url: str) -> Ted:
    """What a command prints; one that succeeds may print warnings beside that."""

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, ["--url", url, *arguments], env={"COLUMNS": "200"})
        assert done.exit_code == status, done.output
        return (done.output if status else done.stdout).strip()

    return run


@pytest.fixture
def images(settings: Settings) -> str:
    return f"{settings.dataset_roots[0]}/images.parquet"


@pytest.fixture
def submit(ted: Ted, images: str) -> Callable[[], str]:
    """Submits a job and returns its id."""
    options = ("--dataset", images, "--task", "image-classification", "--proxy", "cnn", "--keep", "0.6")
    return lambda *more: ted("submit", *options, *more)


def test_an_estimate_prints_a_table_and_submits_nothing(ted: Ted, submit: Callable[..., str], url: str) -> None:
    printed = submit("--estimate")

    assert "24 of 40 would be retained (60.0%)" in " ".join(printed.split())
    with Client(url) as client:
        assert list(client.jobs()) == []


def test_an_estimate_from_earlier_jobs_shows_time_and_memory() -> None:
    span = {"least": 5.0, "typical": 10.0, "most": 1200.0}
    facts = {
        "rows_in": 1000,
        "rows_kept": 600,
        "proxy": {"name": "cnn", "epochs": 12},
        "classes": 10,
        "cost_at_most": 0.8,
        "cost": {"least": 0.5, "typical": 0.6, "most": 0.7},
        "seconds": span,
        "peak_memory_bytes": 512 * 2**20,
        "precedents": 3,
    }
    screen = Console(file=io.StringIO(), width=120)

    screen.print(estimate_table(facts), highlight=False)

    assert isinstance(screen.file, io.StringIO)
    printed = " ".join(screen.file.getvalue().split())
    assert "at most 0.80 of one full run, measuring included, usually 0.60" in printed
    assert "10 s (5 s to 20 min)" in printed
    assert "512 MiB" in printed


def test_an_estimate_without_precedents_says_what_it_is_based_on() -> None:
    facts = dict.fromkeys(("rows_in", "rows_kept", "classes", "cost_at_most", "peak_memory_bytes", "cost"))
    facts |= {"proxy": {"name": "cnn", "epochs": 12}, "precedents": 0}
    timed = {"seconds": {"least": 0.75, "typical": 1.5, "most": 30.0}, "device": "cpu, 2 threads"}
    known = facts | timed | {"based_on": "throughput", "seconds_note": "For images of 32x32 pixels."}
    unknown = facts | {"seconds": None, "seconds_note": "No worker has measured this proxy yet."}

    assert "1.5 s (0.75 s to 30 s) on cpu, 2 threads" in printed(known)
    assert "For images of 32x32 pixels." in printed(known)
    assert "the measured speed of the workers" in printed(known)
    assert "time No worker has measured this proxy yet." in printed(unknown)


def printed(facts: dict[str, object]) -> str:
    screen = Console(file=io.StringIO(), width=120)
    screen.print(estimate_table(facts), highlight=False)
    assert isinstance(screen.file, io.StringIO)
    return " ".join(screen.file.getvalue().split())


def test_an_estimate_says_if_the_rows_are_not_counted_yet() -> None:
    unknown = dict.fromkeys(("rows_in", "rows_kept", "classes", "cost_at_most", "seconds", "peak_memory_bytes", "cost"))
    screen = Console(file=io.StringIO(), width=120)

    screen.print(estimate_table(unknown | {"proxy": {"name": "cnn", "epochs": 12}, "precedents": 0}), highlight=False)

    assert isinstance(screen.file, io.StringIO)
    assert "too many to be counted yet" in screen.file.getvalue()


def test_a_job_s_life_from_submission_to_deletion(ted: Ted, submit: Callable[..., str], images: str) -> None:
    job_id = submit()

    assert ted("status", job_id) == f"{job_id} queued (1st)"
    assert "queued (1st)" in ted("show", job_id)
    assert ted("cancel", job_id) == f"{job_id} is cancelled"
    assert job_id in ted("list", "--status", "cancelled")
    assert job_id not in ted("list", "--metadata", "team=vision")
    again = ted("retry", job_id)
    assert again.startswith("job_")
    assert again != job_id
    assert ted("delete", job_id) == f"{job_id} is deleted"
    assert job_id not in ted("list")


def test_a_label_without_a_value_is_refused(ted: Ted) -> None:
    assert "KEY=VALUE" in ted("list", "--metadata", "team", status=2)


def test_events_are_listed_or_followed_to_the_end(ted: Ted, submit: Callable[..., str]) -> None:
    job_id = submit()
    ted("cancel", job_id)

    listed, followed = ted("events", job_id), ted("events", job_id, "--follow")
    late = ted("events", job_id, "--follow", "--after", "1", "--json")

    assert [line.split()[3] for line in listed.splitlines()] == ["job.queued", "job.cancelled"]
    assert followed == listed
    assert [json.loads(line)["type"] for line in late.splitlines()] == ["job.cancelled"]


def test_watching_a_cancelled_job_exits_with_status_one(ted: Ted, submit: Callable[..., str]) -> None:
    job_id = submit()
    ted("cancel", job_id)

    assert "cancelled" in ted("watch", job_id, status=1)


def test_a_downloaded_file_is_named_after_its_job_and_kind(
    ted: Ted,
    submit: Callable[..., str],
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"decisions")
    claim = leases.claim(submit(), worker="w")
    assert claim
    leases.begin_finalizing(claim)
    store = ArtifactStore(settings.artifacts)
    put = store.put_attempt_file(tmp_path / "file", job_id=claim.job.id, token=claim.token, kind="decisions")
    leases.finish(claim, published=[put], result={})

    printed = ted("download", claim.job.id, "--decisions")

    assert printed == f"{claim.job.id}-decisions.parquet"
    assert Path(printed).read_bytes() == b"decisions"
    assert "same at every ratio" in " ".join(
        ted("download", claim.job.id, "--decisions", "--keep", "0.5", status=2).split()
    )


def test_a_manifest_at_another_ratio_is_requested_and_named_after_it(ted: Ted, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, object] = {}
    monkeypatch.setattr(Client, "download", lambda _, job_id, path, **how: arguments.update(how, path=path) or path)

    ted("download", JOB, "--keep", "0.5")

    assert arguments == {"path": Path(f"{JOB}-manifest-0.5.parquet"), "kind": "manifest", "keep_ratio": 0.5}


def test_datasets_are_added_used_and_removed(ted: Ted, submit: Callable[..., str], images: str) -> None:
    added = ted("datasets", "add", "digits", images, "--task", "image-classification", "--target", "label")

    assert added == "digits has 40 rows"
    assert "image, label" in ted("datasets", "list")
    assert json.loads(ted("datasets", "show", "digits"))["reference"]["target"] == "label"
    options = ("--dataset-name", "digits", "--proxy", "cnn", "--keep", "0.6")
    assert ted("submit", *options).startswith("job_")
    assert ted("datasets", "remove", "digits") == "digits is forgotten"
    assert "digits" not in ted("datasets", "list")


def test_webhooks_are_added_tried_and_removed(ted: Ted) -> None:
    with receiving() as receiver:
        webhook, secret = ted("webhooks", "add", receiver.url, "--event", "job.failed").split()

    assert secret.startswith("whsec_")
    assert webhook in ted("webhooks", "list")
    assert ted("webhooks", "rotate", webhook).split()[1] != secret
    delivery = ted("webhooks", "ping", webhook).split()[0]
    assert delivery in ted("webhooks", "deliveries", webhook)
    assert ted("webhooks", "redeliver", webhook, delivery).startswith(delivery)
    assert ted("webhooks", "enable", webhook) == f"{webhook} is enabled"
    assert ted("webhooks", "remove", webhook) == f"{webhook} is deleted"


def test_a_job_in_a_file_is_overridden_by_options(ted: Ted, images: str, tmp_path: Path, url: str) -> None:
    job = {"dataset": {"uri": images, "task": "image-classification"}, "proxy": {"name": "cnn"}}
    (tmp_path / "job.json").write_text(json.dumps(job | {"plan": {"keep_ratio": 0.2}}))

    job_id = ted("submit", str(tmp_path / "job.json"), "--keep", "0.6")

    with Client(url) as client:
        stored: Job = client.job(job_id)
    assert stored.facts["plan"]["keep_ratio"] == 0.6


def test_a_guard_is_asked_for_by_an_option_and_taken_back_by_its_opposite(
    ted: Ted, submit: Callable[..., str], images: str, tmp_path: Path, url: str
) -> None:
    job = {"dataset": {"uri": images, "task": "image-classification"}, "proxy": {"name": "cnn"}}
    (tmp_path / "job.json").write_text(json.dumps(job | {"plan": {"keep_ratio": 0.6, "guard": True}}))

    ids = [submit(), submit("--guard"), ted("submit", str(tmp_path / "job.json"), "--no-guard")]

    with Client(url) as client:
        assert [client.job(job_id).facts["plan"]["guard"] for job_id in ids] == [False, True, False]


def test_an_open_ratio_is_asked_for_by_a_word_and_shown_as_one(ted: Ted, images: str, url: str) -> None:
    table = Path(images).parent / "many.csv"
    table.write_text("x,label\n" + "".join(f"{row},{row % 2}\n" for row in range(100)))

    job_id = ted("submit", "--dataset", str(table), "--task", "tabular-classification", "--target", "label",
                 "--proxy", "mlp", "--keep", "auto", "--tolerance", "2")  # fmt: skip

    with Client(url) as client:
        plan = client.job(job_id).facts["plan"]
    assert (plan["keep_ratio"], plan["tolerance"]) == ("auto", 2)
    assert "auto of 100" in ted("list")
    assert "ted, to keep auto (at most 2 points lost) of 100" in ted("show", job_id)


def test_a_job_is_found_by_its_name_and_by_either_end_of_its_id(ted: Ted, submit: Callable[..., str]) -> None:
    first, other = submit("--name", "first", "--metadata", "team=vision"), submit("--name", "second")

    assert json.loads(ted("show", "first", "--json"))["metadata"] == {"name": "first", "team": "vision"}
    for said in ("first", first, first[-8:], first[:-1]):
        assert json.loads(ted("show", said, "--json"))["id"] == first
    assert ted("status", "second") == f"{other} queued (2nd)"
    assert "first" in ted("list", "--name", "first")
    assert "second" not in ted("list", "--name", "first")
    assert ted("cancel", "second") == f"{other} is cancelled"


def test_what_means_no_job_or_several_is_refused(submit: Callable[..., str], url: str) -> None:
    submit("--name", "twice")
    submit("--name", "twice")

    with Client(url) as client:
        with pytest.raises(ClientError) as none:
            job_id(client, "nobody")
        with pytest.raises(ClientError) as several:
            job_id(client, "twice")
        with pytest.raises(ClientError) as prefix:
            job_id(client, next(client.jobs()).id[:8])

    assert "No job is called 'nobody'" in str(none.value)
    assert "Several jobs are called 'twice'" in str(several.value)
    assert "Several jobs are called 'job_" in str(prefix.value)


def test_lists_as_json_have_one_object_a_line(ted: Ted, submit: Callable[..., str]) -> None:
    ids = [submit(), submit()]

    assert [json.loads(line)["id"] for line in ted("list", "--json").splitlines()] == ids[::-1]
    assert "mlp" in [json.loads(line)["name"] for line in ted("proxies", "list", "--json").splitlines()]
    assert json.loads(submit("--json"))["status"] == "queued"
    assert ted("webhooks", "list", "--json") == ted("datasets", "list", "--json") == ""


def test_no_cell_is_broken_where_a_program_reads(
    ted: Ted, submit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = submit("--name", "a name that is longer than a narrow terminal would have room for beside all the rest")
    monkeypatch.setenv("COLUMNS", "40")

    (line,) = [line for line in ted("list").splitlines() if named in line]

    assert "a name that is longer than a narrow terminal would have room for beside all the rest" in line
    assert "images.parquet" in line


def test_a_proxy_s_settings_get_a_name(ted: Ted) -> None:
    ted("proxies", "add", "quick", "--proxy", "mlp", "--epochs", "3")

    assert json.loads(ted("proxies", "show", "quick"))["defaults"]["epochs"] == 3
    assert ted("proxies", "remove", "quick") == "quick is forgotten"


def test_a_download_goes_to_a_folder_or_to_standard_output(
    ted: Ted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def download(_: Client, job_id: str, path: Path, **how: object) -> Path:
        path.write_bytes(b"PAR1")
        return path

    monkeypatch.setattr(Client, "download", download)

    assert ted("download", JOB, "--to", str(tmp_path)) == str(tmp_path / f"{JOB}-manifest.parquet")
    as_json = json.loads(ted("download", JOB, "--to", str(tmp_path), "--json"))
    assert (as_json["job"], as_json["kind"], as_json["path"]) == (
        JOB,
        "manifest",
        str(tmp_path / f"{JOB}-manifest.parquet"),
    )
    assert "standard output" in ted("download", JOB, "--to", "-", "--json", status=2)
    assert ted("download", JOB, "--to", "-") == "PAR1"


def test_a_service_s_refusal_is_told_in_the_words_of_the_options(url: str, images: str) -> None:
    def refusal(dataset: dict[str, object], proxy: str, keep: float = 0.6) -> str:
        asked = {"dataset": {"uri": images, "task": "image-classification"} | dataset, "proxy": {"name": proxy}}
        with Client(url) as client, pytest.raises(ClientError) as refused:
            client.submit({**asked, "plan": {"keep_ratio": keep}})
        return error_text(refused.value)

    assert refusal({}, "nnc").startswith("--proxy: 'nnc' is not among mlp")
    assert "did you mean 'cnn'?" in refusal({}, "nnc")
    assert "`ted proxies list`" in refusal({}, "nnc")
    assert "did you mean 'image'?" in refusal({"input": "imaeg"}, "cnn")
    assert "did you mean 'images.parquet'?" in refusal({"uri": images.replace("images.", "image.")}, "cnn")
    assert refusal({}, "cnn", keep=2.0).startswith("--keep")


def test_the_service_says_how_it_is(ted: Ted, url: str) -> None:
    assert ted("status").startswith(url)


def test_what_adds_or_deletes_something_says_so_in_json_as_well(
    ted: Ted, submit: Callable[..., str], images: str
) -> None:
    def said(*arguments: str) -> dict[str, object]:
        return json.loads(ted(*arguments, "--json"))  # type: ignore[no-any-return]

    job = submit()
    added = said("datasets", "add", "photos", images, "--task", "image-classification")
    proxy = said("proxies", "add", "small", "--proxy", "cnn", "--epochs", "3")
    webhook = said("webhooks", "add", "http://127.0.0.1:9/ted")

    assert (added["name"], added["rows"], proxy["name"]) == ("photos", 40, "small")
    assert str(webhook["secret"]).startswith("whsec_")
    assert said("datasets", "remove", "photos") == {"name": "photos", "deleted": True}
    assert said("proxies", "remove", "small") == {"name": "small", "deleted": True}
    assert said("webhooks", "remove", str(webhook["id"])) == {"id": webhook["id"], "deleted": True}
    assert said("cancel", job)["status"] == "cancelled"
    assert said("delete", job) == {"id": job, "deleted": True}
