"""What decisions.parquet says is enough to train on fewer and fewer rows, as the loop did."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.decisions import Reason
from ted_core.results.explain import decide
from ted_core.results.manifest_writer import write_manifest
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from tests.ted_core.datasets.files import parquet
from tests.ted_core.results.decided import provenance

ROWS, UNDECODABLE = 120, (3, 50)
PLAN = PruningPlan(keep_ratio=0.3, seed=1)


@dataclass(frozen=True)
class FinishedJob:
    """The rounds of a loop, in the dataset's own row numbers, and the file that it left."""

    rounds: Sequence[Round]
    retained: Sequence[frozenset[int]]
    """The rows after each round."""
    decisions: pa.Table


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> FinishedJob:
    """A loop of six rounds on two overlapping classes; two rows could not be decoded."""
    folder, rng = tmp_path_factory.mktemp("job"), np.random.default_rng(0)
    usable = np.setdiff1d(np.arange(ROWS, dtype=np.uint64), np.array(UNDECODABLE, np.uint64))
    labels = np.arange(len(usable)) % 2
    inputs = rng.normal(labels[:, None], size=(len(usable), 3)).astype(np.float32)
    samples = Samples(inputs, labels, ("low", "high"), usable, rows=ROWS)
    plan = PLAN.model_copy(update={"rounds": 6})
    rounds = list(prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=12)))
    data = parquet(folder / "data.parquet", x=[0.0] * ROWS, label=[0] * ROWS)
    written = write_manifest(folder, decide(rounds[-1], samples, plan), provenance=provenance(data))
    retained = [frozenset(usable[each.retained].tolist()) for each in rounds]
    return FinishedJob(rounds, retained, pq.read_table(written.decisions))


def decodable(decisions: pa.Table) -> pa.Table:
    """The rows that can be trained on."""
    return decisions.filter(pc.not_equal(pc.cast(decisions["reason"], pa.string()), Reason.UNDECODABLE.phrase))


def rows_of_round(decisions: pa.Table, number: int) -> frozenset[int]:
    """The rows that have not left for good before the end of this round."""
    return frozenset(decisions.filter(pc.greater_equal(decisions["last_round"], number))["row_index"].to_pylist())


def rows_of_epochs(decisions: pa.Table, shares: Sequence[float]) -> list[frozenset[int]]:
    """The rows of each epoch, by rank."""
    ranked = decodable(decisions).sort_by("rank")["row_index"].to_pylist()
    return [frozenset(ranked[: round(share * len(ranked))]) for share in shares]


def test_rows_leave_in_the_round_that_decisions_name(job: FinishedJob) -> None:
    replayed = [rows_of_round(job.decisions, each.number) for each in job.rounds]

    assert replayed[0] == frozenset(decodable(job.decisions)["row_index"].to_pylist())
    assert replayed[-1] == job.retained[-1]
    for earlier, later in pairwise(replayed):
        assert later < earlier
    for rows, retained in zip(replayed, job.retained, strict=True):
        assert retained <= rows  # some of them are away for a round, and come back


def test_a_row_whose_last_round_has_passed_is_retained_in_no_later_one(job: FinishedJob) -> None:
    for row, last in zip(*(job.decisions[name].to_pylist() for name in ("row_index", "last_round")), strict=True):
        assert [row in rows for rows in job.retained[last:]] == [False] * (len(job.retained) - last)
        assert row in job.retained[last - 1] or row in UNDECODABLE


def test_ranks_give_a_schedule_with_the_loops_own_counts(job: FinishedJob) -> None:
    usable = ROWS - len(UNDECODABLE)
    counts = [len(rows) for rows in job.retained]

    epochs = rows_of_epochs(job.decisions, [count / usable for count in counts])

    assert [len(rows) for rows in epochs] == counts
    assert (len(epochs[0]), epochs[-1]) == (usable, job.retained[-1])
    assert all(later <= earlier for earlier, later in pairwise(epochs))


def test_the_rows_that_a_schedule_drops_first_have_the_lowest_priority(job: FinishedJob) -> None:
    last = job.rounds[-1]
    assert last.priority is not None
    usable = np.setdiff1d(np.arange(ROWS), UNDECODABLE)
    priority = dict(zip(usable.tolist(), last.priority.tolist(), strict=True))

    everything, some = rows_of_epochs(job.decisions, [1, 0.6])

    assert max(priority[row] for row in everything - some) <= min(priority[row] for row in some - job.retained[-1])


def test_scores_draw_rows_anew_as_likely_as_the_job_was_to_keep_them(job: FinishedJob) -> None:
    usable, rng = decodable(job.decisions), np.random.default_rng(0)
    score, probability = (usable[name].to_numpy() for name in ("score", "inclusion_probability"))
    count = len(job.retained[-1])

    draws = [np.argsort(rng.random(len(score)) / score)[:count] for _ in range(4000)]

    drawn = np.bincount(np.concatenate(draws), minlength=len(score)) / len(draws)
    assert drawn == pytest.approx(probability, abs=0.04)
    assert probability.max() > 2 * probability.min()
