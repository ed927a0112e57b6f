"""The steps that follow the last measurement, each measured in a process of its own that has only what it needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from benchmarks.scale.made_up import (
    last_round,
    made_up_margins,
    made_up_provenance,
    made_up_samples,
    scores_of,
)
from benchmarks.scale.metering import Metered, metered
from ted_client.subset import retained
from ted_core.plan import PruningPlan
from ted_core.results.explain import decide
from ted_core.results.manifest import read_manifest
from ted_core.results.manifest_writer import WrittenManifest, write_manifest
from ted_core.results.recuts.recut import recut
from ted_core.selection.sampling import PoissonSample, PoissonSampler

Measured = Iterator[tuple[str, Metered[Any]]]
FIRST_BATCHES, BATCH, WORKERS = 50, 1024, 2


@dataclass(frozen=True)
class Job:
    """How many rows there are, how many of them are kept, and where the files go."""

    rows: int
    kept: float
    folder: Path

    @property
    def plan(self) -> PruningPlan:
        """The default plan at this ratio."""
        return PruningPlan(keep_ratio=self.kept)

    @property
    def manifest(self) -> Path:
        """What a trainer needs."""
        return self.folder / "manifest.parquet"

    @property
    def decisions(self) -> Path:
        """What a re-cut needs."""
        return self.folder / "decisions.parquet"


def select(job: Job) -> Measured:
    """Draw rows, as every round does and with the probabilities of the last; decide about all and write both files."""
    samples = made_up_samples(job.rows)
    margin = made_up_margins(samples)
    score, sampler = scores_of(margin), PoissonSampler(samples.groups, job.plan)

    def draw() -> PoissonSample:
        sample = sampler.sample(score, margin, job.plan.rows_kept(len(samples)))
        assert len(sample.inclusion_probability) == len(samples)  # noqa: S101 - which computes it
        return sample

    drawn = metered(draw)
    yield "draw", drawn
    final = last_round(samples, margin, drawn.result)

    def write() -> WrittenManifest:
        decisions = decide(final, samples, job.plan)
        return write_manifest(job.folder, decisions, provenance=made_up_provenance(job.rows, job.plan))

    yield "decisions and manifest", metered(write)


def cut_again(job: Job) -> Measured:
    """Cut the ranking at half of the ratio."""
    yield "re-cut", metered(lambda: recut(job.decisions, keep_ratio=job.kept / 2, to=job.folder / "recut.parquet"))


def verify_indices(job: Job) -> Measured:
    """Read the manifest and compare its row indices with their digest."""
    yield "verify of indices", metered(lambda: read_manifest(job.manifest))


class RowNumbers(Dataset[int]):
    """A dataset whose items are their own row numbers."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> int:
        return row


def load(job: Job) -> Measured:
    """Take the retained rows of a dataset, and let two workers load some batches of them."""

    def first_batches() -> int:
        loader = DataLoader(retained(RowNumbers(job.rows), job.manifest), batch_size=BATCH, num_workers=WORKERS)
        return sum(len(batch) for batch, _ in zip(loader, range(FIRST_BATCHES), strict=False))

    yield "retained()", metered(first_batches)


STEPS: Mapping[str, Callable[[Job], Measured]] = {
    "select": select,
    "recut": cut_again,
    "verify": verify_indices,
    "load": load,
}
"""Each process's steps, in order: those that follow read what the first has written."""
