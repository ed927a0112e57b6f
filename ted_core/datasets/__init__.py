"""A dataset reference → samples in memory. Torch-free.

What it offers is imported when it is used: who only names a dataset, as the API does, reads none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ted_core.datasets.fingerprint import DatasetIdentity, Shard, identify
    from ted_core.datasets.limits import Limits
    from ted_core.datasets.loading import inspect, load, read_rows
    from ted_core.datasets.samples import Dialogues, InputColumns, Samples, Texts
    from ted_core.datasets.spec import DatasetSpec
    from ted_core.datasets.summary import DatasetSummary

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
MODULES = {
    "DatasetIdentity": "fingerprint",
    "DatasetSpec": "spec",
    "DatasetSummary": "summary",
    "Dialogues": "samples",
    "InputColumns": "samples",
    "Limits": "limits",
    "Samples": "samples",
    "Shard": "fingerprint",
    "Texts": "samples",
    "identify": "fingerprint",
    "inspect": "loading",
    "load": "loading",
    "read_rows": "loading",
}


def __getattr__(name: str) -> object:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
