"""Other keep ratios come from the same decisions, as if the ranking had been cut there in the first place."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.errors import RecutUnsuited, TooFewRowsKept
from ted_core.plan import ClassBalance, PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results import manifest_writer
from ted_core.results.decisions import Decisions, Reason
from ted_core.results.explain import decide
from ted_core.results.manifest import read_manifest, verify
from ted_core.results.provenance import Provenance
from ted_core.results.ratio_facts import keep_ratio_choice
from ted_core.results.recuts import usable_rows
from ted_core.results.recuts.recut import recut
from ted_core.selection.prune import prune
from ted_core.selection.sampling.highest import select_highest
from ted_core.warnings import JobWarning, WarningCode
from tests.reference import ted
from tests.ted_core import examples
from tests.ted_core.results import version_1
from tests.ted_core.results.decided import chosen_ratio
from tests.ted_core.results.decided import provenance as provenance_of

ROWS, CLASSES, BROKEN = 240, 4, (5, 77)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two Parquet files."""
    folder = tmp_path_factory.mktemp("data")
    for number, rows in enumerate((100, ROWS - 100)):
        pq.write_table(
            pa.table({"x": np.arange(rows, dtype=np.float32), "label": np.arange(rows) % 2}),
            folder / f"part-{number}.parquet",
        )
    return folder


@pytest.fixture(scope="module")
def provenance(dataset: Path) -> Provenance:
    return provenance_of(dataset)


class Ranking:
    """Priorities and labels of all rows but two broken ones, and what cutting them at a ratio retains."""

    def __init__(self, seed: int, *, class_floor: float = 0.0, class_balance: ClassBalance = "free") -> None:
        rng = np.random.default_rng(seed)
        self.usable = ~np.isin(np.arange(ROWS), BROKEN)
        self.priority = rng.random(ROWS)
        self.label = np.minimum(rng.geometric(0.5, ROWS) - 1, CLASSES - 1).astype(np.int32)
        self.class_floor, self.class_balance = class_floor, class_balance

    def kept(self, ratio: float) -> np.ndarray:
        count = max(1, round(ratio * int(self.usable.sum())))
        kept = np.zeros(ROWS, bool)
        kept[self.usable] = select_highest(
            self.priority[self.usable],
            count,
            labels=self.label[self.usable].astype(int),
            class_floor=self.class_floor,
            class_balance=self.class_balance,
        )
        return kept

    def decisions(self, ratio: float) -> Decisions:
        kept = self.kept(ratio)
        order = np.lexsort((np.arange(ROWS), -self.priority, ~kept, ~self.usable))
        rank = np.empty(ROWS, np.uint64)
        rank[order] = np.arange(ROWS, dtype=np.uint64)
        reason = np.where(kept, Reason.KEPT, np.where(self.usable, Reason.RANDOM, Reason.UNDECODABLE))
        return Decisions(
            kept=kept,
            internal_generalization=np.where(self.usable, self.priority, np.nan).astype(np.float32),
            score=self.priority.astype(np.float32),
            rank=rank,
            last_round=kept.astype(np.uint16),
            reason=reason.astype(np.uint8),
            label=np.where(self.usable, self.label, -1).astype(np.int32),
            classes=("a", "b", "c", "d"),
            sample_key=pa.array([f"row-{row}" for row in range(ROWS)]),
        )

    def written(self, folder: Path, provenance: Provenance, *, ratio: float, method: str = "ted") -> Path:
        plan = {"keep_ratio": ratio, "method": method}
        plan |= {"class_floor": self.class_floor, "class_balance": self.class_balance}
        facts = provenance.model_copy(update={"plan": plan})
        return manifest_writer.write_manifest(folder, self.decisions(ratio), provenance=facts).decisions


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    floor=st.sampled_from([0.0, 0.1, 0.3]),
    balance=st.sampled_from(["free", "keep"]),
    first=st.sampled_from([0.3, 0.5, 0.7]),
    second=st.floats(0.3, 0.95),
)
def test_a_cut_at_another_ratio_keeps_what_that_ratio_would_have_kept(
    tmp_path_factory: pytest.TempPathFactory,
    provenance: Provenance,
    seed: int,
    floor: float,
    balance: ClassBalance,
    first: float,
    second: float,
) -> None:
    folder, ranking = tmp_path_factory.mktemp("out"), Ranking(seed, class_floor=floor, class_balance=balance)
    decided = ranking.written(folder, provenance, ratio=first)

    recut(decided, keep_ratio=second, to=folder / "other.parquet")

    rows = read_manifest(folder / "other.parquet").row_indices
    assert rows.tolist() == np.flatnonzero(ranking.kept(second)).tolist()


def test_at_its_own_ratio_the_rows_and_their_columns_are_those_of_the_manifest(
    tmp_path: Path, provenance: Provenance
) -> None:
    decided = Ranking(1, class_floor=0.2).written(tmp_path, provenance, ratio=0.5)

    recut(decided, keep_ratio=0.5, to=tmp_path / "same.parquet")

    assert read_manifest(tmp_path / "same.parquet").table().equals(read_manifest(tmp_path / "manifest.parquet").table())


PLANS: list[dict[str, Any]] = [
    {},
    {"class_floor": 0.2},
    {"class_balance": "keep"},
    {"q": 2.0},
    {"q": "auto"},
    {"score": "parameter"},
    {"method": "random"},
    {"method": "random", "class_floor": 0.2},
    {"method": "el2n"},
]


def decided_by_a_job(folder: Path, provenance: Provenance, **choices: Any) -> Path:
    """The decisions about rows two of which are broken."""
    samples = examples.random_vectors(ROWS - len(BROKEN), classes=3)
    rows = np.setdiff1d(np.arange(ROWS, dtype=np.uint64), np.array(BROKEN, np.uint64))
    samples = replace(samples, row_index=rows, rows=ROWS)
    plan = PruningPlan.model_validate({"keep_ratio": 0.4} | choices)
    *_, final = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=4))
    facts = provenance.model_copy(update={"plan": plan.model_dump(mode="json")})
    return manifest_writer.write_manifest(folder, decide(final, samples, plan), provenance=facts).decisions


@pytest.mark.parametrize("choices", PLANS, ids=str)
def test_so_are_the_columns_of_a_real_job(tmp_path: Path, provenance: Provenance, choices: dict[str, Any]) -> None:
    decided = decided_by_a_job(tmp_path, provenance, **choices)

    recut(decided, keep_ratio=0.4, to=tmp_path / "same.parquet")

    same, original = (read_manifest(tmp_path / name).table() for name in ("same.parquet", "manifest.parquet"))
    for name in original.schema.names:
        np.testing.assert_array_equal(*(table[name].to_pylist() for table in (same, original)), err_msg=name)


@pytest.mark.parametrize("ratio", [0.2, 0.8])
def test_at_another_ratio_probabilities_add_up_to_its_rows_and_weights_are_theirs(
    tmp_path: Path, provenance: Provenance, ratio: float
) -> None:
    decided = decided_by_a_job(tmp_path, provenance)

    recut(decided, keep_ratio=ratio, to=tmp_path / "other.parquet")

    cut, every = read_manifest(tmp_path / "other.parquet").table(), pq.read_table(decided)
    usable = np.isfinite(every["score"].to_numpy())
    expected = ted.inclusion_probabilities(every["score"].to_numpy()[usable].tolist(), cut.num_rows)
    chance = dict(zip(np.flatnonzero(usable).tolist(), expected, strict=True))
    assert cut["inclusion_probability"].to_pylist() == pytest.approx(
        [chance[row] for row in cut["row_index"].to_pylist()]
    )
    weight, probability = cut["weight"].to_numpy(), cut["inclusion_probability"].to_numpy()
    assert weight.mean() == pytest.approx(1)
    assert np.ptp(weight * np.maximum(probability, 0.1)) < 1e-5


def test_decisions_of_schema_version_1_are_cut_as_they_were_without_probabilities(
    tmp_path: Path, provenance: Provenance, dataset: Path
) -> None:
    ranking = Ranking(9)
    decided = version_1.as_version_1(ranking.written(tmp_path, provenance, ratio=0.5), version_1.DECISIONS)

    said = recut(decided, keep_ratio=0.3, to=tmp_path / "cut.parquet")

    cut = verify(tmp_path / "cut.parquet", dataset)
    assert cut.row_indices.tolist() == np.flatnonzero(ranking.kept(0.3)).tolist()
    assert cut.table()["inclusion_probability"].null_count == said.rows_kept
    assert set(cut.table()["weight"].to_pylist()) == {1.0}
    assert (said.schema_version, said.plan["score"], said.plan["q"]) == (2, "logit", "auto")


def test_a_cut_says_what_it_was_derived_from_and_belongs_to_the_same_dataset(
    tmp_path: Path, provenance: Provenance, dataset: Path
) -> None:
    decided = Ranking(2).written(tmp_path, provenance, ratio=0.6)

    said = recut(decided, keep_ratio=0.25, to=tmp_path / "less.parquet")

    original, derived = (
        read_manifest(tmp_path / "manifest.parquet").metadata,
        verify(tmp_path / "less.parquet", dataset),
    )
    assert derived.metadata == said
    assert (said.plan["keep_ratio"], said.parent_keep_ratio, said.parent) == (0.25, 0.6, original.content_sha256)
    assert said.rows_kept == len(derived.row_indices) == round(0.25 * (ROWS - len(BROKEN)))
    assert (original.parent, original.parent_keep_ratio) == (None, None)
    assert said.content_sha256 != original.content_sha256


def test_what_a_chosen_ratio_kept_is_cut_to_any_other(tmp_path: Path, provenance: Provenance) -> None:
    plan = PruningPlan(keep_ratio="auto").model_dump(mode="json")
    chosen = {"plan": plan, "keep_ratio_choice": keep_ratio_choice(chosen_ratio(0.6))}
    decided = Ranking(2).written(tmp_path, provenance.model_copy(update=chosen), ratio=0.6)

    said = recut(decided, keep_ratio=0.25, to=tmp_path / "less.parquet")

    assert (said.plan["keep_ratio"], said.plan["tolerance"], said.keep_ratio_choice) == (0.25, None, None)
    assert (said.parent_keep_ratio, said.rows_kept) == (0.6, round(0.25 * (ROWS - len(BROKEN))))


def test_two_cuts_at_one_ratio_are_the_same_bytes(tmp_path: Path, provenance: Provenance) -> None:
    decided = Ranking(3).written(tmp_path, provenance, ratio=0.6)

    for name in ("one.parquet", "two.parquet"):
        recut(decided, keep_ratio=0.4, to=tmp_path / name)

    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_row_groups_leave_no_trace(tmp_path: Path, provenance: Provenance, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Ranking(4).written(tmp_path / "whole", provenance, ratio=0.6)
    for module in (manifest_writer, usable_rows):
        monkeypatch.setattr(module, "ROWS_PER_GROUP", 50)
    grouped = Ranking(4).written(tmp_path / "grouped", provenance, ratio=0.6)
    assert pq.ParquetFile(grouped).num_row_groups > 1

    said = [recut(file, keep_ratio=0.8, to=file.with_name("cut.parquet")) for file in (whole, grouped)]

    assert said[0].content_sha256 == said[1].content_sha256


@pytest.mark.parametrize("method", ["stratified", "ccs", "dual"])
def test_what_was_shaped_by_its_ratio_is_not_cut_elsewhere(tmp_path: Path, provenance: Provenance, method: str) -> None:
    decided = Ranking(5).written(tmp_path, provenance, ratio=0.6, method=method)

    with pytest.raises(RecutUnsuited, match=method):
        recut(decided, keep_ratio=0.5, to=tmp_path / "cut.parquet")

    assert not (tmp_path / "cut.parquet").exists()


@pytest.mark.parametrize(("ratio", "floor", "says"), [(0.01, 0.0, "leaves 2 of 238"), (0.2, 0.3, "class_floor")])
def test_a_ratio_that_a_job_could_not_have_is_refused(
    tmp_path: Path, provenance: Provenance, ratio: float, floor: float, says: str
) -> None:
    decided = Ranking(6, class_floor=floor).written(tmp_path, provenance, ratio=0.6)

    with pytest.raises(TooFewRowsKept, match=says):
        recut(decided, keep_ratio=ratio, to=tmp_path / "cut.parquet")


def test_rows_without_classes_are_cut_as_well(tmp_path: Path, provenance: Provenance) -> None:
    bare = replace(Ranking(7).decisions(0.6), label=np.full(ROWS, -1, np.int32), classes=())
    facts = provenance.model_copy(update={"plan": {"keep_ratio": 0.6, "method": "random"}})
    decided = manifest_writer.write_manifest(tmp_path, bare, provenance=facts).decisions

    recut(decided, keep_ratio=0.3, to=tmp_path / "cut.parquet")

    assert read_manifest(tmp_path / "cut.parquet").row_indices.tolist() == np.flatnonzero(Ranking(7).kept(0.3)).tolist()


def test_decisions_of_another_version_are_refused(tmp_path: Path, provenance: Provenance) -> None:
    decided = Ranking(8).written(tmp_path, provenance, ratio=0.6)
    older = pq.read_table(decided).drop_columns(["label"])
    pq.write_table(older, decided)

    with pytest.raises(RecutUnsuited, match="other columns"):
        recut(decided, keep_ratio=0.5, to=tmp_path / "cut.parquet")


def test_a_recut_keeps_the_warnings_of_its_decisions(provenance: Provenance, tmp_path: Path) -> None:
    warning = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 2 values in 240 rows", field="dataset.input")
    warned = provenance.model_copy(update={"warnings": (warning,)})
    decisions = manifest_writer.write_manifest(tmp_path, Ranking(0).decisions(0.6), provenance=warned).decisions

    metadata = recut(decisions, keep_ratio=0.3, to=tmp_path / "cut.parquet")

    assert metadata.warnings == read_manifest(tmp_path / "cut.parquet").metadata.warnings == (warning,)


def test_a_cut_says_of_its_own_rows_what_became_of_the_classes(tmp_path: Path, provenance: Provenance) -> None:
    """The job has lost no class; at three fifths, the one that ranks last is gone."""
    ranking = Ranking(3)
    ranking.priority[ranking.label == 3] /= 1e6
    told = (
        JobWarning("proxy_has_not_learned", "proxy", "It stays."),
        JobWarning("class_lost", "plan.class_floor", "It was said of other rows."),
    )
    decided = ranking.written(tmp_path, provenance.model_copy(update={"warnings": told}), ratio=0.95)

    low, high = (recut(decided, keep_ratio=ratio, to=tmp_path / f"{ratio}.parquet") for ratio in (0.6, 0.99))

    assert low.warnings[0] == high.warnings[0] == told[0]
    assert [warning.code for warning in low.warnings[1:]] == ["class_lost", "class_shares_changed"]
    assert "'d'" in low.warnings[1].message
    assert "the rarest counts" in low.warnings[1].message
    assert len(high.warnings) == 1
