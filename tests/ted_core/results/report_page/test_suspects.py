"""Labels that look wrong have a part of the page of their own."""

from typing import Any

import pytest

from ted_core.results.provenance import LabelNoise
from ted_core.results.report import Report, ReportExamples
from ted_core.results.report_page import render
from tests.reports import MARGINS, NOT_LEARNED, PIXEL, a_report, example, of_random_rows
from tests.ted_core.results.report_page.test_report_page import Page

NOISE = LabelNoise(share=0.09, low=0.05, high=0.16, rows=9)
HEADING = "Labels that look wrong"


def text_of(report: Report) -> str:
    return " ".join(Page(render(report)).text.split())


def suspecting(report: Report | None = None, /, **facts: Any) -> Report:
    """The report with one suspect, whose label is cat and who looks like a dog."""
    row = example(7, likeliest="dog", margin=-0.875, **facts)
    report = report or a_report()
    examples = report.examples.model_copy(update={"suspects": (row,)})
    return report.model_copy(update={"margins": MARGINS, "label_noise": NOISE, "examples": examples})


def test_one_sentence_says_how_many_there_are() -> None:
    said = "About 9 labels look wrong: 9.0\N{NARROW NO-BREAK SPACE}% of the rows, 95 % interval 5.0"

    assert " ".join(said.split()) in text_of(suspecting())


@pytest.mark.parametrize("content", [None, {"image": PIXEL}], ids=["table", "sample"])
def test_a_suspect_is_shown_with_what_it_looks_like(content: dict[str, str] | None) -> None:
    text = text_of(suspecting(sample=content, key="img/7"))

    for fact in ("dog", "-0.875", "pruned", "img/7"):
        assert fact in text.partition(HEADING)[2].partition("Rows to look at")[0]


def test_the_histogram_of_margins_is_also_a_table() -> None:
    assert "-1.000 0.000 0 9" in text_of(suspecting())


def test_no_row_is_called_suspect_twice() -> None:
    report = a_report(examples=ReportExamples(poorly_generalized=(example(7),)))

    assert "Suspect" in text_of(report)
    assert "Suspect" not in text_of(suspecting(report))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"warnings": (NOT_LEARNED,)}, "The proxy has not learned, so it cannot tell which labels look wrong."),
        ({"dataset": a_report().dataset.model_copy(update={"task": "causal-lm"})}, "Answers have no classes"),
    ],
)
def test_without_an_estimate_the_page_says_why(changes: dict[str, Any], says: str) -> None:
    report = a_report(margins=MARGINS).model_copy(update=changes)

    assert says in text_of(report)


def test_a_job_that_measured_nothing_has_no_such_part() -> None:
    assert HEADING not in text_of(of_random_rows())
