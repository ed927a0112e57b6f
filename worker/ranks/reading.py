"""How a rank reads the job's dataset: all of it, or files of its own."""

from dataclasses import dataclass
from typing import Protocol

from ted_core.datasets import DatasetIdentity, Limits, Samples, identify, load
from ted_core.datasets.exchange.owner import Owner
from ted_core.datasets.outages import retry_while_away
from ted_core.datasets.owners.owned_dataset import OwnedDataset
from ted_core.distributed.world import World
from ted_core.errors import TedError
from ted_core.results.provenance import OwnerFacts
from worker.messages import Assignment


class RanksMissing(TedError):
    """With a sampling of sharded a dataset is divided among ranks, and this worker has one; start it with TED_DEVICES
    or TED_RANKS, or leave plan.sampling at global."""


class RankDataset(Protocol):
    """The dataset as a rank sees it."""

    @property
    def identity(self) -> DatasetIdentity:
        """The digests of all files. Reads them, or this rank's own and asks the others."""

    @property
    def owners(self) -> tuple[OwnerFacts, ...]:
        """Which files each rank has, in their order; none if each has all."""

    def load(self, limits: Limits) -> Samples:
        """Read what is this rank's."""


@dataclass(frozen=True)
class WholeDataset:
    """A dataset that each rank reads by itself."""

    assignment: Assignment
    owners: tuple[OwnerFacts, ...] = ()

    @property
    def identity(self) -> DatasetIdentity:
        """As in ``RankDataset``."""
        spec, roots = self.assignment.spec.dataset, self.assignment.dataset_roots
        return retry_while_away(lambda: identify(spec, roots=roots))

    def load(self, limits: Limits) -> Samples:
        """As in ``RankDataset``."""
        spec, roots = self.assignment.spec.dataset, self.assignment.dataset_roots
        return retry_while_away(lambda: load(spec, roots=roots, limits=limits))


@dataclass(frozen=True)
class DividedDataset:
    """A dataset of which each rank reads some files."""

    dataset: OwnedDataset

    @property
    def identity(self) -> DatasetIdentity:
        """As in ``RankDataset``. All ranks ask for it."""
        return self.dataset.identity

    @property
    def owners(self) -> tuple[OwnerFacts, ...]:
        """As in ``RankDataset``."""
        rows = self.dataset.listed.rows
        return tuple(OwnerFacts(shards=len(rows[part]), rows=sum(rows[part])) for part in self.dataset.division)

    def load(self, limits: Limits) -> Samples:
        """As in ``RankDataset``. All ranks call it."""
        return self.dataset.load(limits)


def is_divided(assignment: Assignment) -> bool:
    """Return whether each rank has rows of its own."""
    return assignment.spec.plan.sampling == "sharded"


def rank_dataset(assignment: Assignment, world: World) -> RankDataset:
    """Return the dataset as this rank sees it. All ranks call it. Raises RanksMissing."""
    if not is_divided(assignment):
        return WholeDataset(assignment)
    if world.size == 1:
        raise RanksMissing("The dataset is to be divided among ranks", field="plan.sampling")
    owner = Owner(world.rank, world.size, world.exchange)
    return DividedDataset(OwnedDataset.open(assignment.spec.dataset, roots=assignment.dataset_roots, owner=owner))
