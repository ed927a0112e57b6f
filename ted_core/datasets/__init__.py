"""A dataset reference → a table of samples. Torch-free."""

from ted_core.datasets.formats import Limits
from ted_core.datasets.identity import DatasetIdentity, Shard, identify
from ted_core.datasets.reading import DatasetSummary, inspect, load
from ted_core.datasets.samples import Dialogues, Samples, Texts
from ted_core.datasets.spec import DatasetSpec

__all__ = [
    "DatasetIdentity",
    "DatasetSpec",
    "DatasetSummary",
    "Dialogues",
    "Limits",
    "Samples",
    "Shard",
    "Texts",
    "identify",
    "inspect",
    "load",
]
