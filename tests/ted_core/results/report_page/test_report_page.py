"""The page: well formed, sufficient unto itself, and deaf to what names in a dataset say."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.results.report import Histogram, Report, ReportExamples, ReportGain, ReportGains
from ted_core.results.report_page import charts, parts, render, words
from ted_core.results.report_page.scales import Scale
from ted_core.warnings import JobWarning
from tests.reports import KEPT, MARGINS, PIXEL, WELL, a_report, a_round, class_of, example, of_random_rows

EVIL = (
    '<script>alert("x")</script>',
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "</style>&amp;\x00]]>",
)
Json = dict[str, Any]
VOID = {"meta", "link", "br", "img", "input"}
MAY_LOAD = {"script", "link", "iframe", "object", "embed", "image", "use", "a", "base", "form", "video", "audio"}


class Page(HTMLParser):
    """A page taken apart; a tag that is closed in the wrong order fails the test."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def everywhere(name: str) -> Report:
    """A report that says this name wherever a client, a dataset or a method may choose one."""
    report = a_report(
        reasons={"kept": 60, name: 40}, method=name, plan={name: name}, versions={name: name}, device=name
    )
    contents: tuple[Json, ...] = (
        {"text": name},
        {"turns": [{"role": name, "content": name}]},
        {"record": {name: name}},
        {"image": name},
        {"image": PIXEL},
    )
    rows = tuple(example(1, key=name, label=name, likeliest=name, margin=-0.5, sample=content) for content in contents)
    return report.model_copy(
        update={
            "dataset": report.dataset.model_copy(
                update={"uri": name, "format": name, "task": name, "inputs": (name,), "left_out": {name: name}}
            ),
            "warnings": (JobWarning(name, name, name),),
            "classes": (class_of(name, 50, 10), class_of("dog", 48, 40)),
            "examples": ReportExamples(kept=rows, well_generalized=rows, poorly_generalized=rows, suspects=rows),
            "margins": MARGINS,
            "q": report.q.model_copy(update={"chosen_by": name}),
            "proxy": report.proxy.model_copy(update={"name": name, "settings": {name: name}}),
        }
    )


@pytest.mark.parametrize("report", [a_report(), of_random_rows(), everywhere("x")], ids=["ted", "random", "names"])
def test_the_page_is_well_formed_and_loads_nothing(report: Report) -> None:
    page = Page(render(report))

    assert not MAY_LOAD & set(page.tags)
    assert len(set(page.ids)) == len(page.ids)
    names = {name for name, _ in page.attributes}
    assert not names & {"href", "xlink:href", "srcset", "style", "action"}
    assert {value for name, value in page.attributes if name == "src"} <= {PIXEL}
    assert not {name for name in names if name.startswith("on")}
    assert "url(" not in render(report)
    assert "@import" not in render(report)


@pytest.mark.parametrize("name", EVIL)
def test_names_that_look_like_markup_are_escaped(name: str) -> None:
    harmless, evil = Page(render(everywhere("x"))), Page(render(everywhere(name)))

    assert evil.tags == harmless.tags
    assert [name for name, _ in evil.attributes] == [name for name, _ in harmless.attributes]
    assert evil.text.count(name.strip()) >= harmless.text.count(" x ") > 0


def test_every_chart_has_a_title() -> None:
    page = Page(render(a_report()))

    labels = [value for name, value in page.attributes if name == "aria-labelledby"]
    pictures = [value for name, value in page.attributes if (name, value) == ("role", "img")]
    assert len(labels) == len(pictures) == 5
    assert {label for value in labels if value for label in value.split()} <= set(page.ids)


def test_every_charted_number_is_also_in_a_table() -> None:
    page = Page(render(a_report()))

    for line in ("0.9000 0.0000 0.0000", "0.8000 0.1000 0.0200", "0.7000 0.2000 0.0300", "0.100 0.250 60 8"):
        assert line in " ".join(page.text.split())


def test_a_report_that_measured_nothing_leaves_out_what_it_cannot_show() -> None:
    page = Page(render(of_random_rows()))

    for absent in ("By score", "By internal generalization", "Round by round", "Why", "Rows to look at", "None"):
        assert absent not in page.text
    assert "not drawn" in page.text
    assert "cat 49 20 40.8" in " ".join(page.text.split())


def test_the_page_says_if_random_rows_were_chosen() -> None:
    choice = a_report().q.model_copy(
        update={"rule": "random", "value": None, "chosen_by": "measured: random rows did best"}
    )

    text = Page(render(a_report(q=choice))).text

    assert "Why random rows" in text
    assert "Measured: random rows did best." in text


def test_the_gain_of_training_a_language_model_is_shown_for_available_rows() -> None:
    gain = ReportGain(rows=60, base=0.25, internal_generalization=0.625, gain=0.375)

    text = " ".join(Page(render(a_report(gains=ReportGains(all=gain, kept=gain, pruned=None)))).text.split())

    assert "What training changes" in text
    assert "all rows 60 0.250 0.625 0.375 retained 60 0.250 0.625 0.375" in text
    assert "What training changes" not in Page(render(a_report())).text


@pytest.mark.parametrize(("dogs", "several"), [(49, False), (60, True)], ids=["one class each", "several"])
def test_the_page_says_if_rows_have_several_classes(dogs: int, several: bool) -> None:
    page = Page(render(a_report(classes=(class_of("cat", 49, 20), class_of("dog", dogs, 40)))))

    assert ("A row counts in every class that it has." in page.text) == several


def test_few_classes_are_all_shown_and_of_many_only_the_extremes() -> None:
    few = tuple(class_of(f"c{number}", 10, 5) for number in range(parts.ALL_CLASSES))
    many = tuple(class_of(f"c{number}", 1000, number) for number in range(300))

    table = parts.classes(a_report(classes=many))

    assert (parts.classes(a_report(classes=few)).omitted, table.omitted) == (0, 300 - 2 * parts.ROWS_AT_EACH_END)
    least, most = ([row.facts.after for row in group] for group in table.groups)
    assert (least, most) == (list(range(parts.ROWS_AT_EACH_END)), list(range(300 - parts.ROWS_AT_EACH_END, 300)))
    assert (table.count, table.emptied) == (300, 1)
    assert "Of 1 class nothing was retained." in Page(render(a_report(classes=many))).text


def test_a_class_bar_shows_rows_before_and_after_and_the_equal_share() -> None:
    rows = parts.classes(a_report(classes=(class_of("a", 50, 10), class_of("b", 25, 25)))).groups[0]

    assert [(row.before, row.after, row.proportional) for row in rows] == [(1.0, 0.2, 0.6), (0.5, 0.5, 0.3)]


def test_the_shares_of_the_reasons_fill_the_strip_side_by_side() -> None:
    shares = parts.reason_shares(a_report())

    assert [(share.reason, share.start) for share in shares] == [
        (KEPT, 0.0),
        (WELL, 0.6),
        ("undecodable", 0.98),
    ]
    assert sum(share.share for share in shares) == pytest.approx(1)


def test_the_selection_pays_off_once_it_has_saved_its_own_cost() -> None:
    assert parts.payback(a_report()) == pytest.approx(0.8 / 0.4)
    assert parts.payback(of_random_rows()) is None
    assert [(bar.name, bar.runs) for bar in parts.costs(a_report())] == [
        ("This selection", 0.8),
        ("… of which choosing q", 0.3),
        ("One run on all rows", 1.0),
        ("One run on the retained rows", 0.6),
    ]


# --- drawings ---------------------------------------------------------------------------------------------------------


def test_a_stacked_bar_starts_at_the_axis_with_the_retained_rows() -> None:
    reasons = {WELL: (10, 5), KEPT: (10, 0)}

    chart = charts.histogram(Histogram(edges=(0.0, 1.0, 2.0), kept=(10, 0), pruned=(10, 5), reasons=reasons), marked=1)

    assert chart is not None
    first, second = chart.bars
    height = charts.HISTOGRAM_BOTTOM - charts.HISTOGRAM_TOP
    assert [(segment.reason, segment.colour, segment.height) for segment in first.segments] == [
        (KEPT, "kept", height / 2),
        (WELL, "well", height / 2),
    ]
    kept, pruned = first.segments
    assert (kept.top + kept.height, pruned.top + pruned.height) == (charts.HISTOGRAM_BOTTOM, kept.top)
    assert pruned.top == charts.HISTOGRAM_TOP
    assert [(segment.rows, segment.height) for segment in second.segments] == [(0, 0), (5, height / 4)]
    assert chart.mark == first.left + first.width + charts.GAP / 2


def test_an_unknown_reason_is_drawn_last_and_in_grey() -> None:
    shares = parts.reason_shares(a_report(reasons={"not yet thought of": 40, KEPT: 60}))

    assert [(share.reason, share.colour) for share in shares] == [(KEPT, "kept"), ("not yet thought of", "other")]


def test_an_unmeasured_round_is_a_gap_and_not_a_zero() -> None:
    log = [a_round(1, 100, internal_generalization=None), a_round(2, 80), a_round(3, 60)]

    chart = charts.rounds(log, rows=100)

    assert chart is not None
    assert (len(chart.pruned), len(chart.everything), len(chart.retained)) == (2, 3, 3)
    assert chart.retained[0].y == charts.LOWER_TOP
    assert chart.retained[0].y < chart.retained[-1].y < charts.LOWER_BOTTOM


@pytest.mark.parametrize("log", [[], [a_round(1, 60)]], ids=["none", "one"])
def test_a_line_chart_needs_two_rounds(log: list[Any]) -> None:
    assert charts.rounds(log, rows=100) is None


def test_candidates_are_in_order_with_random_rows_last_and_the_chosen_one_marked() -> None:
    chart = charts.candidates(a_report())

    assert chart is not None
    assert [(mark.facts.q, mark.chosen) for mark in chart.marks] == [(0.5, False), (1.0, True), (None, False)]
    assert chart.chosen == chart.marks[1].at
    assert all(mark.low <= mark.at <= mark.high for mark in chart.marks)
    assert charts.candidates(of_random_rows()) is None


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9), st.integers(2, 8))
@settings(deadline=None)
def test_ticks_are_ascending_within_the_range_and_of_a_sensible_number(low: float, span: float, about: int) -> None:
    scale = Scale(low, low + span, 0, 1000)

    ticks = scale.ticks(about)

    assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)
    assert all(-0.01 <= tick.at <= 1000.01 for tick in ticks)
    assert len(ticks) <= 2 * about + 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12, "0.12 s"), (59.94, "59.9 s"), (200, "3 min 20 s"), (18180, "5 h 3 min")],
)
def test_durations_are_shown_in_a_suitable_unit(value: float, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(("name", "text"), [("cat", "cat"), ("", "“”"), (" ", "“ ”"), (None, "–")])  # noqa: RUF001
def test_every_name_is_shown_visibly(name: str | None, text: str) -> None:
    assert words.name(name) == text


def test_the_page_says_if_memory_ran_out() -> None:
    cost = a_report().cost.model_copy(update={"batch_parts": 4})

    assert "memory had run out" in render(a_report(cost=cost))
    assert "memory had run out" not in render(a_report())
