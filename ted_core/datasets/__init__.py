"""A dataset reference → samples in memory. Torch-free."""

from ted_core.datasets.fingerprint import DatasetIdentity, Shard, identify
from ted_core.datasets.limits import Limits
from ted_core.datasets.loading import DatasetSummary, inspect, load, read_rows
from ted_core.datasets.samples import Dialogues, InputColumns, Samples, Texts
from ted_core.datasets.spec import DatasetSpec

__all__ = [
    "DatasetIdentity",
    "DatasetSpec",
    "DatasetSummary",
    "Dialogues",
    "InputColumns",
    "Limits",
    "Samples",
    "Shard",
    "Texts",
    "identify",
    "inspect",
    "load",
    "read_rows",
]
