"""A job's report counts what the decisions say, of every row, and never says NaN."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results import report_builder
from ted_core.results.decisions import Decisions, Members, Reason
from ted_core.results.explain import decide
from ted_core.results.provenance import CostFacts, DatasetFacts, ManifestMetadata, ProxyFacts, QChoice
from ted_core.results.report import PhaseSeconds, Report, ReportGain, ReportRound
from ted_core.results.report_builder import BINS, EXAMPLES, RoundLog, build_report
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from tests.ted_core import examples
from tests.test_architecture import loaded_by

CLASSES = ("cat", "dog", "empty")
SECONDS = PhaseSeconds(loading=1, pruning=2, writing=3)


def decided(
    performance: list[float],
    *,
    kept: list[bool],
    reason: list[Reason] | None = None,
    label: list[int] | None = None,
    base: list[float] | None = None,
    several: list[set[int]] | None = None,
) -> Decisions:
    """What was decided about rows whose score is their performance."""
    rows, mask = len(performance), np.array(kept, bool)
    because = reason or [Reason.KEPT if one else Reason.WELL_GENERALIZED for one in kept]
    return Decisions(
        kept=mask,
        internal_generalization=np.array(performance, np.float32),
        score=np.array(performance, np.float32),
        rank=np.arange(rows, dtype=np.uint64),
        last_round=np.zeros(rows, np.uint16),
        reason=np.array(because, np.uint8),
        label=np.array(label or [0] * rows, np.int32),
        classes=CLASSES,
        sample_key=pa.array([f"row-{row}" for row in range(rows)]),
        base_performance=None if base is None else np.array(base, np.float32),
        members=None if several is None else members(several),
    )


def members(several: list[set[int]]) -> Members:
    pairs = [(row, label) for row, labels in enumerate(several) for label in sorted(labels)]
    row, label = np.array(pairs, np.int64).reshape(-1, 2).T
    return Members(row, label.astype(np.int32))


def metadata(found: Decisions) -> ManifestMetadata:
    kept = int(found.kept.sum())
    dataset = DatasetFacts(
        uri="/data", format="npz", task="tabular-classification", rows=len(found.kept), shards=(), fingerprint="f"
    )
    return ManifestMetadata(
        dataset=dataset,
        plan={"keep_ratio": 0.5, "method": "ted"},
        q=QChoice(value=1, chosen_by="plan"),
        proxy=ProxyFacts(name="mlp", settings={}),
        seed=0,
        determinism="bit-exact",
        cost=CostFacts(rows_trained=30, rows_measured=9, rows_trained_choosing=10, full_run_rows=60, seconds=3),
        device="cpu",
        versions={},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        rows_kept=kept,
        achieved_ratio=kept / len(found.kept),
        indices_sha256="",
        content_sha256="",
    )


def report_on(found: Decisions, log: RoundLog | None = None) -> Report:
    return build_report(found, log or RoundLog(), metadata=metadata(found), seconds=SECONDS)


def ended(retained: list[bool], *, number: int = 1, performance: float = 0.5, **facts: Any) -> Round:
    rows = len(retained)
    told = {
        "score": np.full(rows, performance, np.float32),
        "internal_generalization": np.full(rows, performance, np.float32),
        "last_round": np.ones(rows, np.uint16),
        "train_loss": 0.25,
    }
    counted = {"number": number, "samples_trained": 10 * number, "samples_measured": 10 * number}
    return Round(rounds=3, retained=np.array(retained, bool), **told | counted | facts)


@st.composite
def columns(draw: st.DrawFn) -> dict[str, list[Any]]:
    """What ``decided`` takes, for a few rows of every kind."""
    rows = draw(st.integers(1, 60))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    return {
        "performance": column(st.one_of(st.floats(0, 1, width=32), st.just(float("nan")))),
        "kept": column(st.booleans()),
        "reason": column(st.sampled_from(Reason)),
        "label": column(st.integers(-1, 1)),
    }


@given(columns())
@settings(deadline=None, max_examples=100)
def test_every_count_is_what_counting_row_by_row_gives(drawn: dict[str, list[Any]]) -> None:
    found = decided(**drawn)

    report = report_on(found)

    rows = list(zip(found.kept, found.label, found.reason, found.score, strict=True))
    assert report.reasons == Counter(Reason(reason).phrase for _, _, reason, _ in rows)
    assert report.dataset.undecodable == sum(reason == Reason.UNDECODABLE for _, _, reason, _ in rows)
    for code, one in enumerate(report.classes):
        assert one.name == CLASSES[code]
        assert one.before == sum(label == code for _, label, _, _ in rows)
        assert one.after == sum(label == code and kept for kept, label, _, _ in rows)
    for histogram in (report.scores, report.internal_generalization):
        assert sum(histogram.kept) == sum(kept and not np.isnan(score) for kept, _, _, score in rows)
        assert sum(histogram.pruned) == sum(not kept and not np.isnan(score) for kept, _, _, score in rows)
        assert {phrase: sum(counts) for phrase, counts in histogram.reasons.items()} == Counter(
            Reason(reason).phrase for _, _, reason, score in rows if not np.isnan(score)
        )


@given(columns())
@settings(deadline=None, max_examples=50)
def test_a_report_is_strict_json_and_comes_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, list[Any]]
) -> None:
    report = report_on(decided(**drawn))

    path = report_builder.write_report(tmp_path_factory.mktemp("report"), report)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(path.read_text(), parse_constant=refuse)
    assert Report.model_validate_json(path.read_bytes()) == report


def test_a_class_tells_its_share_and_how_well_its_measured_rows_generalize() -> None:
    found = decided(
        [0.25, 0.75, float("nan"), 0.5], kept=[True, False, False, True], label=[0, 0, 0, 1], reason=[Reason.KEPT] * 4
    )

    cat, dog, empty = report_on(found).classes

    assert (cat.before, cat.after, cat.kept_share) == (3, 1, pytest.approx(1 / 3))
    assert (cat.internal_generalization, dog.internal_generalization) == (0.5, 0.5)
    assert (empty.before, empty.kept_share, empty.internal_generalization) == (0, None, None)


@st.composite
def several_classes(draw: st.DrawFn) -> dict[str, list[Any]]:
    """What ``decided`` takes, for a few rows that have any number of classes."""
    drawn = draw(columns())
    rows = len(drawn["kept"])
    return drawn | {"several": draw(st.lists(st.sets(st.integers(0, 2)), min_size=rows, max_size=rows))}


@given(several_classes())
@settings(deadline=None, max_examples=50)
def test_a_row_with_several_classes_counts_in_each_of_them(drawn: dict[str, list[Any]]) -> None:
    found = decided(**drawn)

    report = report_on(found)

    for code, one in enumerate(report.classes):
        rows = [row for row, labels in enumerate(drawn["several"]) if code in labels]
        known = [drawn["performance"][row] for row in rows if not np.isnan(drawn["performance"][row])]
        assert (one.before, one.after) == (len(rows), sum(drawn["kept"][row] for row in rows))
        assert one.internal_generalization == (pytest.approx(np.mean(known)) if known else None)


def test_the_gain_is_told_for_all_rows_and_for_those_of_either_fate() -> None:
    found = decided([0.5, 0.75, 0.25, 1.0], kept=[True, True, False, False], base=[0.25, 0.25, 0.5, 0.5])

    gains = report_on(found).gains

    assert gains is not None
    assert gains.all == ReportGain(rows=4, base=0.375, internal_generalization=0.625, gain=0.25)
    assert gains.kept == ReportGain(rows=2, base=0.25, internal_generalization=0.625, gain=0.375)
    assert gains.pruned == ReportGain(rows=2, base=0.5, internal_generalization=0.625, gain=0.125)


def test_rows_that_either_did_not_measure_have_no_gain() -> None:
    nothing = float("nan")

    gains = report_on(decided([0.5, nothing, 0.5], kept=[True, True, False], base=[0.25, 0.25, nothing])).gains

    assert gains is not None
    assert gains.all == gains.kept == ReportGain(rows=1, base=0.25, internal_generalization=0.5, gain=0.25)
    assert gains.pruned is None


def test_a_proxy_that_starts_from_nothing_has_no_gain_to_tell() -> None:
    assert report_on(decided([0.5], kept=[True])).gains is None


def test_a_row_lies_in_the_bin_whose_edges_enclose_its_value() -> None:
    found = decided([0.0, 0.1, 0.1, 1.0], kept=[False, True, False, True])

    histogram = report_on(found).internal_generalization

    assert (len(histogram.edges), histogram.edges[0], histogram.edges[-1]) == (BINS + 1, 0, 1)
    place = next(bin_ for bin_ in range(BINS) if histogram.edges[bin_] <= np.float32(0.1) < histogram.edges[bin_ + 1])
    assert {bin_: count for bin_, count in enumerate(histogram.kept) if count} == {place: 1, BINS - 1: 1}
    assert {bin_: count for bin_, count in enumerate(histogram.pruned) if count} == {0: 1, place: 1}


def test_a_performance_that_rounding_pushed_beyond_one_is_still_counted() -> None:
    found = decided([np.nextafter(np.float32(1), np.float32(2)), 0.5], kept=[True, True])

    assert sum(report_on(found).internal_generalization.kept) == 2


def test_scores_that_are_all_alike_share_a_bin() -> None:
    histogram = report_on(decided([0.5, 0.5], kept=[True, False])).scores

    assert histogram.edges[0] < 0.5 < histogram.edges[-1]
    assert (max(histogram.kept), max(histogram.pruned)) == (1, 1)


def test_scores_that_differ_by_next_to_nothing_are_counted_too() -> None:
    histogram = report_on(
        decided([0.25, float(np.nextafter(np.float32(0.25), np.float32(1)))], kept=[True, False])
    ).scores

    assert (sum(histogram.kept), sum(histogram.pruned)) == (1, 1)


def test_what_a_later_version_adds_is_no_reason_to_refuse_a_report() -> None:
    told = report_on(decided([0.25, 0.5], kept=[True, False])).model_dump(mode="json")
    told["news"] = told["q"]["news"] = told["proxy"]["news"] = 1

    assert Report.model_validate(told).q.value == told["q"]["value"]


def test_the_examples_are_the_most_extreme_rows_of_their_kind_and_ties_go_to_the_earlier_row() -> None:
    kinds = [Reason.KEPT, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED]
    performance = np.random.default_rng(0).integers(0, 20, 300) / 20
    reason = [kinds[row % 3] for row in range(300)]
    found = decided(list(performance), kept=[one is Reason.KEPT for one in reason], reason=reason)

    shown = report_on(found).examples

    rows = range(300)
    expected = {
        "kept": sorted((row for row in rows if reason[row] is kinds[0]), key=lambda row: -performance[row]),
        "well_generalized": sorted((row for row in rows if reason[row] is kinds[1]), key=lambda row: -performance[row]),
        "poorly_generalized": sorted(rows, key=lambda row: performance[row]),
    }
    for kind, first in expected.items():
        listed = getattr(shown, kind)
        assert [one.row_index for one in listed] == first[:EXAMPLES]
        for one in listed:
            assert (one.sample_key, one.label) == (f"row-{one.row_index}", "cat")
            assert one.kept == (reason[one.row_index] is Reason.KEPT)
            assert one.internal_generalization == pytest.approx(performance[one.row_index])


def test_what_was_not_measured_is_no_example() -> None:
    shown = report_on(decided([float("nan"), 0.5, float("nan")], kept=[True, True, False])).examples

    assert [one.row_index for one in shown.kept] == [one.row_index for one in shown.poorly_generalized] == [1]


def test_a_round_is_noted_with_what_came_back_in_it() -> None:
    log = RoundLog()

    log.note(ended([True, True, True, True]))
    log.note(ended([True, True, False, False], number=2, performance=0.75))
    log.note(ended([False, True, True, False], number=3))

    assert [(one.round, one.retained, one.returned, one.rows_trained) for one in log.rounds] == [
        (1, 4, 0, 10),
        (2, 2, 0, 20),
        (3, 2, 1, 30),
    ]
    assert [one.internal_generalization for one in log.rounds] == [None, 0.75, 0.5]
    assert log.rounds[1].internal_generalization_all == 0.75


def test_a_round_that_measured_nothing_says_so() -> None:
    log = RoundLog()

    log.note(ended([True, False], performance=float("nan"), train_loss=None))

    (only,) = log.rounds
    assert only == ReportRound(
        round=1,
        retained=1,
        returned=0,
        train_loss=None,
        internal_generalization=None,
        internal_generalization_all=None,
        rows_trained=10,
    )


def test_a_round_before_the_first_measurement_tells_no_performance() -> None:
    log = RoundLog()

    log.note(ended([True, False], performance=0.0, samples_measured=0))

    assert (log.rounds[0].internal_generalization, log.rounds[0].internal_generalization_all) == (None, None)


@pytest.mark.parametrize("method", ["ted", "random"])
def test_a_real_run_has_a_report(method: str, tmp_path: Path) -> None:
    samples = examples.random_vectors(60, classes=3)
    plan = PruningPlan.model_validate({"keep_ratio": 0.5, "method": method, "q": 1})
    log = RoundLog()
    for done in prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=4)):
        log.note(done)

    found = decide(done, samples, plan)
    report = Report.model_validate_json(report_builder.write_report(tmp_path, report_on(found, log)).read_bytes())

    assert [one.round for one in report.rounds] == list(range(1, done.number + 1))
    assert sum(one.after for one in report.classes) == report.rows_kept == 30
    assert bool(report.scores.edges) == bool(report.examples.kept) == (method == "ted")


def test_the_cost_is_that_of_the_manifest_with_the_seconds_of_each_phase() -> None:
    report = report_on(decided([0.5], kept=[True]))

    assert (report.cost.rows_trained, report.cost.rows_trained_choosing) == (30, 10)
    assert report.cost.of_one_full_run == pytest.approx((30 + 9 / 3) / 60)
    assert report.cost.seconds.total == 6


def test_what_is_prepared_once_belongs_to_the_selection_and_to_a_full_run() -> None:
    cost = CostFacts(rows_trained=30, rows_measured=9, full_run_rows=60, preparation=20, seconds=3)

    assert cost.of_one_full_run == pytest.approx((30 + 9 / 3 + 20) / (60 + 20))


def test_a_later_version_may_add_to_a_report() -> None:
    told = json.loads(report_on(decided([0.5], kept=[True])).model_dump_json())

    assert Report.model_validate(told | {"news": 1}).rows_kept == 1


def test_making_a_report_loads_no_torch() -> None:
    assert "torch" not in loaded_by(["ted_core.results.report_builder"])
