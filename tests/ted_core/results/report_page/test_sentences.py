"""What the page says agrees with what it shows: no sentence is fixed that data may contradict."""

import json
from typing import Literal

import pytest

from ted_core.results.provenance import CandidateFacts, ProxyAccuracy, QChoice
from ted_core.results.report import Report, ReportGain, ReportGains, ReportRound
from ted_core.results.report_page import charts, render
from tests.reports import (
    KEPT,
    NOT_LEARNED,
    WELL,
    a_guarded_report,
    a_report,
    a_report_of_a_chosen_ratio,
    a_round,
    of_random_rows,
)
from tests.ted_core.results.report_page.test_report_page import Page

POOR = "poorly generalized (hard or mislabelled)"


def text_of(report: Report) -> str:
    return " ".join(Page(render(report)).text.split())


def course(*means: float | None) -> tuple[ReportRound, ...]:
    return tuple(
        a_round(number, 100 - number, internal_generalization=mean, internal_generalization_all=mean)
        for number, mean in enumerate(means, 1)
    )


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ((0.5, 0.7), "rose from 0.500 after round 1 to 0.700 after round 2"),
        ((0.7, None, 0.5), "fell from 0.700 after round 1 to 0.500 after round 3: rows may have been pruned"),
        ((0.7, 0.2, 0.701), "stayed level: from 0.700 after round 1 to 0.701 after round 3"),
        ((None, 0.6), "was measured once, after round 2: its mean over all rows is 0.600"),
    ],
    ids=["rising", "falling", "level", "once"],
)
def test_the_course_of_the_rounds_is_described_as_it_was(means: tuple[float | None, ...], said: str) -> None:
    text = text_of(a_report(rounds=course(*means)))

    assert said in text
    assert "should not fall" not in text


@pytest.mark.parametrize(
    ("returned", "said"),
    [(0, "No pruned row came back."), (1, "One pruned row came back."), (1200, "Pruned rows came back 1,200 times.")],
)
def test_the_rows_that_came_back_are_counted_in_words(returned: int, said: str) -> None:
    assert said in text_of(a_report(rounds=(a_round(1, 80), a_round(2, 60, returned=returned))))


def test_two_rounds_are_marked_with_dots_and_one_measurement_is_a_table() -> None:
    two, one = a_report(rounds=course(0.5, 0.7)), a_report(rounds=course(None, 0.7))

    assert Page(render(two)).tags.count("circle") == Page(render(one)).tags.count("circle") + 6
    assert "IG all train loss 1 99 0 \N{EN DASH} \N{EN DASH} 0.500 2 98 0 0.700 0.700 0.500" in text_of(one)
    assert "Internal generalization and retained rows, round by round" not in text_of(one)


def test_the_rounds_are_counted_in_whole_numbers() -> None:
    chart = chart_of(course(0.5, 0.7))

    assert [tick.label for tick in chart.x_ticks] == ["1", "2"]


def chart_of(rounds: tuple[ReportRound, ...]) -> charts.RoundsChart:
    chart = charts.rounds(rounds, rows=100)
    assert chart is not None
    return chart


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (
            {KEPT: 60, WELL: 38, POOR: 2},
            "38 to the right of the dashed line are called redundant and 2 to the left",
        ),
        ({KEPT: 60, POOR: 40}, "Of the pruned rows, 40 to the left of the dashed line are called hard or mislabelled."),
    ],
)
def test_the_line_is_explained_by_the_rows_on_its_sides(reasons: dict[str, int], said: str) -> None:
    assert said in text_of(a_report(reasons=reasons))


def test_a_line_with_no_row_that_is_called_anything_is_not_explained() -> None:
    assert "dashed line" not in text_of(a_report(reasons={KEPT: 60, "not drawn": 40}))


def test_rows_drawn_at_random_are_not_said_to_be_drawn_by_score() -> None:
    tried = (CandidateFacts(q=None, accuracy=0.9, behind=0.0, standard_error=0.0),)
    drawn = a_report(q=QChoice(value=None, chosen_by="measured: random rows did best", candidates=tried))
    within = a_report(plan={"class_balance": "keep"})

    assert "proportional to the score" not in text_of(drawn)
    assert "drawn at random all the same" in text_of(drawn)
    assert "proportional to the score within its class" in text_of(within)
    assert "proportional to the score." in text_of(a_report())


def test_rows_of_a_score_without_an_exponent_are_said_to_be_drawn_by_it() -> None:
    by_margin = a_report(q=QChoice(value=None, chosen_by="plan"), plan={"keep_ratio": 0.6, "score": "margin"})

    assert "proportional to the score." in text_of(by_margin)
    assert "drawn at random" not in text_of(by_margin)


@pytest.mark.parametrize(
    ("returned", "verdict", "drawn_by_score"),
    [
        ("ted", "Kept TED's rows, which were ahead by 2.0 points: on rows that a proxy was not trained on,", True),
        ("random", "Random rows were ahead by 2.0 points and are returned: on rows that a proxy was not", False),
    ],
)
def test_what_the_guard_found_is_said_beside_both_candidates(
    returned: Literal["ted", "random"], verdict: str, *, drawn_by_score: bool
) -> None:
    report = a_guarded_report(returned=returned)

    text, chart = text_of(report), charts.candidates(report)

    assert "TED's rows against random ones" in text
    assert verdict in text
    assert "95 % interval of the difference" in text
    assert "small q" not in text
    assert ("proportional to the score" in text) == drawn_by_score
    assert "… of which guarding" in text
    assert ("ted score margin" in text, "ted random rows" in text) == (drawn_by_score, not drawn_by_score)
    assert chart
    assert [(mark.facts.rule, mark.chosen) for mark in chart.marks] == [
        ("margin", returned == "ted"),
        ("random", returned == "random"),
    ]
    assert "margin" in text.split("Numbers candidate")[1]


@pytest.mark.parametrize(("behind", "alike"), [(0.01, True), (0.05, False)])
def test_candidates_that_chance_may_have_ordered_are_said_to_be_alike(behind: float, *, alike: bool) -> None:
    candidates = (
        CandidateFacts(q=1.0, accuracy=0.9, behind=0.0, standard_error=0.0),
        CandidateFacts(q=None, accuracy=0.9 - behind, behind=behind, standard_error=0.02),
    )

    text = text_of(a_report(q=QChoice(value=1.0, chosen_by="measured", candidates=candidates)))

    assert ("No other candidate differs from it by more than a standard error." in text) == alike


@pytest.mark.parametrize(
    ("gain", "said"), [(0.2, "has improved it"), (-0.2, "made it worse"), (0.001, "hardly changed")]
)
def test_training_is_said_to_help_only_where_it_does(gain: float, said: str) -> None:
    measured = ReportGain(rows=60, base=0.5, internal_generalization=0.5 + gain, gain=gain)

    assert said in text_of(a_report(gains=ReportGains(all=measured, kept=None, pruned=None)))


# --- whether the proxy has learned ------------------------------------------------------------------------------------


def measured(*warnings: object) -> Report:
    accuracy = ProxyAccuracy(
        out_of_sample=0.161, standard_error=0.01, performance=0.2, majority_class=0.102, chance=0.1
    )
    return a_report(proxy_accuracy=accuracy, warnings=warnings)


def test_the_accuracy_of_the_proxy_comes_first_beside_what_needs_none() -> None:
    page = Page(render(measured()))

    first = " ".join(page.texts[page.texts.index("Proxy accuracy, out of sample") :])
    assert " ".join(first.split("Retained")[0].split()) == (
        "Proxy accuracy, out of sample 16.1 % proxy 16.1 % most frequent 10.2 % chance 10.0 % "
        "on rows that it did not train on"
    )
    assert ("class", "proxy alarm") not in page.attributes


def test_a_proxy_that_has_not_learned_alarms() -> None:
    page = Page(render(measured(NOT_LEARNED)))

    text = " ".join(page.text.split())
    assert ("class", "proxy alarm") in page.attributes
    assert "The proxy has not learned: do not rely on this selection." in text
    assert "1 warning proxy_has_not_learned proxy.epochs The proxy is right about 16 % of the rows. Help it." in text
    assert "means nothing here" in text
    assert "neither end says anything about the rows" in text
    assert "dashed line" not in text


@pytest.mark.parametrize("report", [a_report(), of_random_rows()], ids=["ted", "random"])
def test_a_report_that_does_not_know_the_accuracy_shows_no_tile_for_it(report: Report) -> None:
    assert "Proxy accuracy" not in text_of(report)
    assert "warning" not in text_of(report)


def test_a_language_models_accuracy_stands_beside_that_before_its_training() -> None:
    accuracy = ProxyAccuracy(out_of_sample=0.42, standard_error=0.01, performance=0.2, base_model=0.4)
    dataset = a_report().dataset.model_copy(update={"task": "causal-lm"})

    words = " ".join(text_of(a_report(proxy_accuracy=accuracy, dataset=dataset)).split())

    assert "proxy 42.0 % before training 40.0 % of the answers' tokens, in rows that it did not train on" in words
    assert "most frequent" not in words


def test_a_warning_alarms_even_without_numbers() -> None:
    page = Page(render(a_report(warnings=(NOT_LEARNED,))))

    assert ("class", "proxy alarm") in page.attributes


def test_the_columns_that_the_model_saw_are_named_and_those_it_did_not() -> None:
    seen = {"inputs": ("age", "hours"), "input_count": 30, "left_out": {"id": "a counter"}}

    text = text_of(a_report(dataset=a_report().dataset.model_copy(update=seen)))

    assert "What the model saw inputs age , hours and 28 more left out id : a counter" in text


def test_a_report_of_an_earlier_version_becomes_a_page() -> None:
    older = a_report().model_dump(mode="json")
    for name in ("proxy_accuracy", "warnings", "gains"):
        older.pop(name)
    for name in ("inputs", "input_count", "left_out"):
        older["dataset"].pop(name)
    for row in (*older["examples"]["kept"], *older["examples"]["poorly_generalized"]):
        row.pop("sample")

    text = text_of(Report.model_validate_json(json.dumps(older)))

    assert "60 of 100 rows retained" in text
    assert "row IG label 7 0.450 cat img/7.png pruned" in text
    assert "What the model saw" not in text


def test_the_page_shows_the_curve_that_a_ratio_was_chosen_from() -> None:
    report = a_report_of_a_chosen_ratio()

    text, chart = text_of(report), charts.losses(report.keep_ratio_choice)

    assert "How much can go" in text
    assert "Keep 60%, which is measured to cost no more than 0.3 points" in text
    assert "… of which choosing the ratio" in text
    assert chart
    assert [mark.facts.keep_ratio for mark in chart.marks] == [1.0, 0.7, 0.3]
    assert chart.marks[2].x < chart.chosen < chart.marks[1].x < chart.marks[0].x
    assert chart.marks[2].y < chart.tolerance < chart.marks[1].y, "more is lost higher up"
    assert "How much can go" not in text_of(a_report())
