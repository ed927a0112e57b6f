"""The objects that the entry points name. The API imports this module too, so nothing in it may load torch."""

from dataclasses import replace

from ted_core.datasets.formats.jsonl import JSONL
from ted_core.datasets.sources.shards import files_with
from ted_core.plugins import TaskFamily
from ted_core.proxies import ProxyFamily

LINEAR = ProxyFamily(
    takes=frozenset({"vector", "image"}),
    builder="ted_example.models:linear",
    optimizer="adamw",
    epochs=8,
    batch_size=128,
    learning_rate=1e-2,
    weight_decay=0.0,
)
SMOOTHED = TaskFamily(base="tabular-classification", task="ted_example.models:SMOOTHED")
NDJSON = replace(JSONL, files=files_with(".ndjson"))
