"""``python -m benchmarks.instructions DATA --results DIR``: what a language model makes of held-back answers.

A fresh adapter (the proxy ``lora``) is trained on what each method keeps of some instructions and judged by its loss on
the answers of others. Rivals are random rows, random rows as long as TED's, and those of the highest
instruction-following difficulty (Li et al. 2023, arXiv 2308.12032): how little an instruction helps to foretell its
answer.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Float32
from rich.console import Console

from benchmarks import machine, storage
from benchmarks.fresh import training_seed
from benchmarks.ground import timed
from benchmarks.markdown import spread, table
from benchmarks.verdicts import difference
from ted_core.batches import measured
from ted_core.datasets import Dialogues, Samples
from ted_core.distance import distance
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.proxies.build import build
from ted_core.pruning import prune
from ted_core.rounds import Round
from ted_core.sampling import Drawing
from ted_core.tables import table_of
from ted_core.training import Trainee, fit

FOLDER, FILE = "instructions", "alpaca_9k/random_9k.json"
DRAW, LENGTHS = 909, 910
"""What randomness is for; part of every seed, so that no two uses share a stream."""
STRETCHES = 8
"""Stretches of length within which random rows are drawn in the numbers that TED keeps."""
Kept = Bool[np.ndarray, " samples"]
FOUND = pa.schema(
    {
        "method": pa.string(),
        "kept": pa.float64(),
        "seed": pa.int64(),
        "rows_train": pa.int64(),
        "rows_test": pa.int64(),
        "epochs": pa.int64(),
        "loss": pa.list_(pa.float32()),
        "answer_characters_kept": pa.float64(),
        "seconds_selecting": pa.float64(),
        "seconds_training": pa.float64(),
        "hardware": pa.string(),
        "torch": pa.string(),
        "threads": pa.int64(),
    }
)


@dataclass(frozen=True)
class Lesson:
    """Instructions to learn from and to be judged by, and what several methods need of them, at most once."""

    train: Samples
    test: Samples
    proxy: ProxySpec
    seed: int
    keep_ratio: float

    @property
    def plan(self) -> PruningPlan:
        """Of a loop whose exponent is given."""
        return PruningPlan(keep_ratio=self.keep_ratio, seed=self.seed, q=1.0)

    @property
    def count(self) -> int:
        """Rows to keep."""
        return self.plan.rows_kept(len(self.train))

    @cached_property
    def final(self) -> Round:
        """The end of TED's loop."""
        return list(prune(self.train, self.plan, proxy=self.proxy))[-1]

    @cached_property
    def base_loss(self) -> Float32[np.ndarray, " samples"]:
        """What the model loses on the training answers before it has learned anything."""
        return losses(untrained(self.train, self.proxy), self.train)

    @cached_property
    def answer_lengths(self) -> Float[np.ndarray, " samples"]:
        """Characters of every training answer."""
        return np.array([len(turns[-1]["content"]) for turns in _turns(self.train)], float)


def read(data: Path, *, rows: int, seed: int) -> tuple[Samples, Samples]:
    """Instructions drawn by the seed: those to learn from, and as many others."""
    records = json.loads((data / FILE).read_text())
    drawn = np.random.default_rng((seed, DRAW)).permutation(len(records))[: 2 * rows]
    chosen = [records[row] for row in drawn]
    return dialogues(chosen[:rows]), dialogues(chosen[rows:])


def dialogues(records: Sequence[Mapping[str, str]]) -> Samples:
    """Alpaca's records, each as an instruction with its input, and the output."""
    asked = ["\n\n".join(filter(None, (one["instruction"], one["input"]))) for one in records]
    return _samples([_turn_pair(*pair) for pair in zip(asked, (one["output"] for one in records), strict=True)])


def without_instruction(samples: Samples) -> Samples:
    """The same answers to an empty instruction."""
    return _samples([_turn_pair("", turns[-1]["content"]) for turns in _turns(samples)])


def _turn_pair(asked: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def _turns(samples: Samples) -> list[list[dict[str, str]]]:
    assert isinstance(samples.inputs, Dialogues), "instructions are dialogues"  # noqa: S101
    turns: list[list[dict[str, str]]] = samples.inputs.turns.to_pylist()
    return turns


def _samples(turns: list[list[dict[str, str]]]) -> Samples:
    rows = np.arange(len(turns), dtype=np.uint64)
    return Samples(Dialogues(pa.chunked_array([pa.array(turns)])), np.zeros(len(rows), int), (), rows, rows=len(rows))


# --- what to keep -----------------------------------------------------------------------------------------------------


def everything(lesson: Lesson) -> Kept:
    """All rows."""
    return np.ones(len(lesson.train), bool)


def at_random(lesson: Lesson) -> Kept:
    """Rows drawn at random."""
    return list(prune(lesson.train, lesson.plan.model_copy(update={"method": "random"}), proxy=lesson.proxy))[
        -1
    ].retained


def by_ted(lesson: Lesson) -> Kept:
    """TED with q = 1."""
    return lesson.final.retained


def by_gain(lesson: Lesson) -> Kept:
    """TED's distance of what the twins gained over the model as it came, as a share of what there was to gain."""
    unseen, before = lesson.final.internal_generalization, np.exp(-lesson.base_loss)
    gained = np.clip((unseen - before) / (1 - before), 0, 1)
    drawing = Drawing(lesson.train.groups, lesson.plan)
    return drawing.drawn(distance(gained, lesson.plan.q), gained, lesson.count).retained


def as_long(lesson: Lesson) -> Kept:
    """Random rows whose answers are as long as those that TED keeps."""
    chance = np.random.default_rng((lesson.seed, LENGTHS))
    order = np.argsort(lesson.answer_lengths, kind="stable")
    kept = np.zeros(len(order), bool)
    for stretch in np.array_split(order, STRETCHES):
        kept[chance.permutation(stretch)[: lesson.final.retained[stretch].sum()]] = True
    return kept


def by_difficulty(lesson: Lesson) -> Kept:
    """The highest losses as a share of those without the instruction; beyond 1 it misleads, and they come last."""
    alone = without_instruction(lesson.train)
    difficulty = lesson.base_loss / losses(untrained(alone, lesson.proxy), alone)
    kept = np.zeros(len(lesson.train), bool)
    kept[np.argsort(np.where(difficulty < 1, -difficulty, difficulty), kind="stable")[: lesson.count]] = True
    return kept


METHODS: Mapping[str, Callable[[Lesson], Kept]] = {
    "full": everything,
    "ted": by_ted,
    "random": at_random,
    "random, as long": as_long,
    "ifd": by_difficulty,
    "ted, gain": by_gain,
}
UNTRAINED = "the model as it came"


# --- what comes of it -------------------------------------------------------------------------------------------------


def untrained(samples: Samples, proxy: ProxySpec) -> Trainee:
    """A fresh adapter, which changes nothing."""
    training = proxy.resolved()
    return Trainee(build(training, samples, seed=0), training, device="cpu")


@torch.inference_mode()
def losses(trainee: Trainee, samples: Samples) -> Float32[np.ndarray, " samples"]:
    """Of every answer the mean over its tokens, in nats."""
    trainee.model.eval()
    batches = table_of(samples, trainee.proxy)
    return measured(batches, np.arange(len(samples)), lambda x, y: batches.task.loss(trainee.model(x), y))


def judged(lesson: Lesson, method: str) -> dict[str, Any]:
    """Select, train, judge: the method's row."""
    kept = timed(lambda: METHODS[method](lesson))
    fresh = partial(fit, proxy=lesson.proxy.resolved(), seed=training_seed(lesson.seed))
    fitted = timed(lambda: fresh(lesson.train, np.flatnonzero(kept.value)))
    return {
        "loss": losses(fitted.value.trainee, lesson.test),
        "answer_characters_kept": lesson.answer_lengths[kept.value].sum() / lesson.answer_lengths.sum(),
        "seconds_selecting": kept.seconds,
        "seconds_training": fitted.seconds,
    }


def as_it_came(lesson: Lesson, _: str) -> dict[str, Any]:
    """The row of the model that has learned nothing."""
    return {"loss": losses(untrained(lesson.test, lesson.proxy), lesson.test)}


def finish(lesson: Lesson, method: str, path: Path) -> None:
    """Leave the method's row in a file."""
    found = timed(lambda: (as_it_came if method == UNTRAINED else judged)(lesson, method))
    shared = {"method": method, "kept": lesson.keep_ratio, "seed": lesson.seed, "rows_train": len(lesson.train)}
    shared |= {"rows_test": len(lesson.test), "epochs": lesson.proxy.resolved().epochs} | machine.versions()
    storage.write(path, [shared | found.value], schema=FOUND)
    Console().print(f"{path.stem}: {found.value['loss'].mean():.4f} in {found.seconds:.0f} s")


def results_in(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """All rows."""
    return storage.read([folder / FOLDER for folder in folders], schema=FOUND)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A table for each size and ratio: losses, and their differences from full data's and random rows'."""
    yield "## Language models: loss on held-back answers"
    yield (
        "SmolLM2-135M-Instruct with a LoRA adapter, trained on what is kept of instructions from Alpaca. Nats per "
        "answer token, mean over held-back answers; the lower the better. Differences are taken answer by answer, "
        "their mean over the seeds and all answers; the interval is Student's over answers, which share each seed's "
        "training (`benchmarks/instructions.py`)."
    )
    for setting in dict.fromkeys(map(_setting, rows)):
        yield from _table([row for row in rows if _setting(row) == setting])


def _setting(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("kept", "rows_train", "rows_test", "epochs"))


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    first, seeds = rows[0], sorted({row["seed"] for row in rows})
    share, sizes = f"{100 * first['kept']:g} % kept", f"{first['rows_train']} rows, {first['rows_test']} held back"
    yield f"### {share} of {sizes}, {first['epochs']} epochs, seeds {', '.join(map(str, seeds))}"
    head = ["", "loss", "less full data's", "less random rows'", "answers' characters kept", "seconds selecting"]
    yield table(head, (_line(method, rows) for method in [UNTRAINED, *METHODS] if _of(method, rows)))


def _of(method: str, rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The method's row for each seed."""
    return {row["seed"]: row for row in rows if row["method"] == method}


def _line(method: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    own = _of(method, rows)
    apart = [_apart(own, _of(other, rows)) if method != other else "-" for other in ("full", "random")]
    share, seconds = ([row[name] for row in own.values()] for name in ("answer_characters_kept", "seconds_selecting"))
    rest = ["-", "-"] if method == UNTRAINED else [f"{100 * mean(share):.0f} %", f"{mean(seconds):.0f}"]
    return [method, spread([float(np.mean(row["loss"])) for row in own.values()]), *apart, *rest]


def _apart(ours: Mapping[int, dict[str, Any]], theirs: Mapping[int, dict[str, Any]]) -> str:
    """Mean and interval of the differences, over the answers of the seeds that both have."""
    both = [np.subtract(ours[seed]["loss"], theirs[seed]["loss"]) for seed in ours if seed in theirs]
    if not both:
        return "-"
    found = difference(np.concatenate(both).tolist(), np.zeros(sum(map(len, both))).tolist())
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def main() -> None:
    """Finish what is missing, seed by seed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path, help="the folder of real data")
    options.add_argument("--results", type=Path, required=True, help="the folder that keeps what is finished")
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--rows", type=int, default=384, help="to learn from; as many others are held back")
    options.add_argument("--kept", type=float, default=0.6)
    options.add_argument("--methods", nargs="+", choices=[UNTRAINED, *METHODS], default=[UNTRAINED, *METHODS])
    options.add_argument("--threads", type=int, default=1)
    asked = options.parse_args()
    names = {str(asked.data): "DATA", str(asked.results): "DIR"}
    storage.note_command("benchmarks.instructions", asked.results, sys.argv[1:], folders=names)
    torch.set_num_threads(asked.threads)
    proxy = ProxySpec(name="lora", model="smollm2-135m")
    first = untrained(read(asked.data, rows=1, seed=0)[0], proxy)  # as long as it lives, no other reads the model again
    for seed in asked.seeds:
        lesson = Lesson(*read(asked.data, rows=asked.rows, seed=seed), proxy, seed, asked.kept)
        for method in asked.methods:
            path = asked.results / FOLDER / f"{method}-kept{asked.kept:g}-rows{asked.rows}-seed{seed}.parquet"
            if not path.exists():
                finish(lesson, method, path)
    del first


if __name__ == "__main__":
    main()
