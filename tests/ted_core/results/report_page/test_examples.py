"""The rows to look at: what each holds is shown, bounded, under a heading that the numbers bear out."""

from typing import Any

import pytest

from ted_core.results.report import Report, ReportExamples
from ted_core.results.report_page import examples, render
from tests.reports import NOT_LEARNED, PIXEL, a_report, example
from tests.ted_core.results.report_page.test_report_page import Page


def showing(**facts: Any) -> Report:
    """A report with one row of each kind, of which all hold the same."""
    rows = (example(7, **facts),)
    return a_report(examples=ReportExamples(kept=rows, well_generalized=rows, poorly_generalized=rows))


def text_of(report: Report) -> str:
    return " ".join(Page(render(report)).text.split())


@pytest.mark.parametrize(
    ("sample", "shown"),
    [
        ({"text": "A good\nfilm"}, "A good film"),
        (
            {"turns": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
            "user Why? assistant So.",
        ),
        ({"record": {"age": "39", "": " "}}, "age 39 “” “ ”"),
    ],
    ids=["text", "turns", "record"],
)
def test_every_group_shows_what_its_rows_hold(sample: dict[str, Any], shown: str) -> None:
    text = text_of(showing(sample=sample, key="img/7"))

    assert text.count(shown) == 3
    assert text.count("cat row 7 · img/7 · IG 0.450") == 3
    assert [heading in text for heading in ("Suspect", "Redundant", "Kept")] == [True] * 3


def test_a_picture_is_shown_with_words_for_those_who_cannot_see_it() -> None:
    page = Page(render(showing(sample={"image": PIXEL})))

    assert page.tags.count("img") == 3
    assert ("src", PIXEL) in page.attributes
    assert ("alt", "Row 7 labelled cat") in page.attributes


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org/cat.png",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PGI+",
        'data:image/png;base64,AA" onerror="x',
        "data:image/png;base64," + "A" * examples.LARGEST_PICTURE,
    ],
)
def test_what_is_no_small_picture_is_not_shown_as_one(uri: str) -> None:
    page = Page(render(showing(sample={"image": uri})))

    assert "img" not in page.tags
    assert uri[:40] not in render(showing(sample={"image": uri}))


def test_long_contents_are_cut_and_say_so() -> None:
    turns = [{"role": "user", "content": "x" * 5000}] * 40
    record = {f"column {number}": "y" * 5000 for number in range(100)}

    said, listed, told = (showing(sample=one) for one in ({"turns": turns}, {"record": record}, {"text": "z" * 9000}))

    assert "34 more not shown" in text_of(said)
    assert "84 more not shown" in text_of(listed)
    assert max(len(render(report)) for report in (said, listed, told)) < len(render(a_report())) + 40_000


@pytest.mark.parametrize("sample", [None, {}], ids=["left out", "empty"])
def test_rows_without_contents_are_listed_all_the_same(sample: dict[str, Any] | None) -> None:
    assert "cat" in text_of(showing(sample=sample, key="img/7"))


def test_without_samples_the_rows_are_a_table() -> None:
    report = showing(key="img/7")

    assert "row IG label 7 0.450 cat img/7 pruned" in text_of(report)


@pytest.mark.parametrize(
    ("facts", "heading", "why"),
    [
        ({}, "Suspect", "contradict their labels"),
        ({"internal_generalization": 0.97}, "Explained least", "none is contradicted"),
        ({"label": None}, "Hard or faulty", "explain these least"),
    ],
    ids=["contradicted", "explained", "no labels"],
)
def test_rows_are_called_suspect_only_if_they_are(facts: dict[str, Any], heading: str, why: str) -> None:
    text = text_of(showing(**facts))

    assert heading in text
    assert why in text
    assert ("mislabelled" in text) == (heading == "Suspect")


def test_a_proxy_that_has_not_learned_accuses_no_row() -> None:
    report = showing(sample={"text": "A good film"}).model_copy(update={"warnings": (NOT_LEARNED,)})

    text = text_of(report)

    assert "mislabelled" not in text
    assert "Suspect" not in text
    assert text.count("The proxy has not learned, so this says nothing about these rows.") == 2
