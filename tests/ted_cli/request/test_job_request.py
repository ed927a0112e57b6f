"""What is said on the command line becomes the request."""

from pathlib import Path

from ted_cli.request.job_request import JobOptions

NOTHING = JobOptions(dataset={"uri": None}, proxy={"name": None}, plan={"keep_ratio": None})


def test_options_that_are_not_given_are_not_sent() -> None:
    assert NOTHING.apply_to({}) == {}


def test_a_document_without_options_is_sent_unchanged() -> None:
    document = {"dataset": {"uri": "file:///data/a.parquet"}, "metadata": {"team": "vision"}}

    assert NOTHING.apply_to(document) == document


def test_options_override_the_document_without_changing_it() -> None:
    document = {"plan": {"keep_ratio": 0.5, "seed": 3}}
    options = JobOptions(dataset={}, proxy={}, plan={"keep_ratio": 0.7})

    assert options.apply_to(document)["plan"] == {"keep_ratio": 0.7, "seed": 3}
    assert document == {"plan": {"keep_ratio": 0.5, "seed": 3}}


def test_a_relative_path_is_made_absolute_and_a_uri_is_not_touched() -> None:
    def uri(given: str) -> str:
        return str(JobOptions(dataset={"uri": given}, proxy={}, plan={}).apply_to({})["dataset"]["uri"])

    assert uri("train.parquet") == str(Path.cwd() / "train.parquet")
    assert uri("../train.parquet") == str(Path.cwd().parent / "train.parquet")
    assert uri("file:///data/train.parquet") == "file:///data/train.parquet"
