"""What is said in options becomes values, and what looks like a slip is refused with what may be meant."""

import pytest
import typer

from ted_cli.request.faults import fault_text
from ted_cli.request.options import WHOLE_JOB, job_options, option_names
from ted_cli.request.values import keep_ratio, label
from ted_core.datasets.spec import DatasetSpec
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_jobs.jobs.spec import JobSpec


@pytest.mark.parametrize("text", ["60", "60%", "60 %"])
def test_a_percentage_is_not_taken_for_a_fraction(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"did you mean 0\.6\?"):
        keep_ratio(text)


@pytest.mark.parametrize(("text", "value"), [("0.6", 0.6), (".6", 0.6), ("auto", "auto"), (None, None), ("1.0", 1.0)])
def test_a_fraction_or_a_word_is_sent_as_it_is(text: str | None, value: object) -> None:
    assert keep_ratio(text) == value


def test_a_label_has_two_sides() -> None:
    assert label("team=vision=2") == ("team", "vision=2")
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        label("team")


def test_every_field_of_a_job_has_an_option() -> None:
    parts = {"dataset": DatasetSpec, "proxy": ProxySpec, "plan": PruningPlan}
    fields = {f"{part}.{name}" for part, model in parts.items() for name in model.model_fields}
    fields |= {name for name in JobSpec.model_fields if name not in parts}

    assert fields - {*option_names()} == set()


def test_options_that_are_not_given_say_nothing() -> None:
    assert job_options(WHOLE_JOB, dict.fromkeys(WHOLE_JOB)).apply_to({}) == {}


def test_a_fault_is_named_by_its_option() -> None:
    error = {"message": "Several things are wrong", "errors": [{"field": "plan.keep_ratio", "message": "must be less"}]}

    assert fault_text(error) == "--keep must be less"
    assert fault_text({"message": "It is not there.", "field": "dataset.uri"}) == "--dataset: It is not there."
    assert fault_text({"message": "Too many jobs.", "field": None}) == "Too many jobs."
