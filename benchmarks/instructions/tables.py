"""The row that is stored for every method, and the tables made from the rows."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import machine
from benchmarks.harness.markdown import mean_and_deviation, table
from benchmarks.harness.result_set import ResultSet
from benchmarks.instructions.methods import METHODS
from ted_core.evaluation.intervals import difference

SETTING = ("kept", "rows_train", "rows_test", "longest", "train_blocks", "epochs")
UNTRAINED = "the model as it came"
RESULTS = ResultSet(
    "instructions",
    pa.schema(
        {
            "method": pa.string(),
            "kept": pa.float64(),
            "seed": pa.int64(),
            "rows_train": pa.int64(),
            "rows_test": pa.int64(),
            "longest": pa.int64(),
            "train_blocks": pa.int64(),
            "epochs": pa.int64(),
            "loss": pa.list_(pa.float32()),
            "answer_characters_kept": pa.float64(),
            "seconds_selecting": pa.float64(),
            "seconds_training": pa.float64(),
            **machine.COLUMNS,
        }
    ),
)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table for each size and ratio: losses, and their differences from full data's and random rows'."""
    yield "## Language models: loss on held-back answers"
    yield (
        "SmolLM2-135M-Instruct with a LoRA adapter, trained on what is kept of instructions from Alpaca. Nats per "
        "answer token, mean over held-back answers; the lower the better. Differences are taken answer by answer and "
        "averaged over the seeds; the interval is Student's over answers, which share each seed's training "
        "(`benchmarks/instructions`)."
    )
    for setting in dict.fromkeys(map(_setting, rows)):
        yield from _table([row for row in rows if _setting(row) == setting])


def _setting(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in SETTING)


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    first, seeds = rows[0], sorted({row["seed"] for row in rows})
    share, sizes = f"{100 * first['kept']:g} % kept", f"{first['rows_train']} rows, {first['rows_test']} held back"
    model = f"at most {first['longest']} tokens, the last {first['train_blocks']} blocks, {first['epochs']} epochs"
    yield f"### {share} of {sizes}, {model}, seeds {', '.join(map(str, seeds))}"
    head = ["", "loss", "minus full data's", "minus random rows'", "characters of answers kept", "seconds selecting"]
    yield table(head, (_line(method, rows) for method in [UNTRAINED, *METHODS] if _of(method, rows)))


def _of(method: str, rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the method's row for each seed."""
    return {row["seed"]: row for row in rows if row["method"] == method}


def _line(method: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    own = _of(method, rows)
    differences = [_difference(own, _of(other, rows)) if method != other else "-" for other in ("full", "random")]
    share, seconds = ([row[name] for row in own.values()] for name in ("answer_characters_kept", "seconds_selecting"))
    rest = ["-", "-"] if method == UNTRAINED else [f"{100 * mean(share):.0f} %", f"{mean(seconds):.0f}"]
    return [method, mean_and_deviation([float(np.mean(row["loss"])) for row in own.values()]), *differences, *rest]


def _difference(ours: Mapping[int, dict[str, Any]], theirs: Mapping[int, dict[str, Any]]) -> str:
    """Return mean and interval over the answers of what they differ by on average over the seeds that both have."""
    pairs = [np.subtract(ours[seed]["loss"], theirs[seed]["loss"]) for seed in ours if seed in theirs]
    if not pairs:
        return "-"
    differences = np.mean(pairs, axis=0)
    interval = difference(differences.tolist(), np.zeros(len(differences)).tolist())
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
