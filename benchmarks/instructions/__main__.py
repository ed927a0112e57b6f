"""``python -m benchmarks.instructions DATA --results DIR``: how well a language model predicts held-back answers.

A fresh adapter (the proxy ``lora``) is trained on what each method keeps of some instructions, and judged by its loss
on the answers of others. The rivals are random rows, random rows with answers as long as TED's, and the rows with the
highest instruction-following difficulty (Li et al. 2023, arXiv 2308.12032), which is how little an instruction helps to
predict its answer.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.fresh import training_seed
from benchmarks.ground import timed
from benchmarks.harness import machine, storage
from benchmarks.instructions.lesson import Lesson, losses, read, untrained
from benchmarks.instructions.methods import METHODS
from benchmarks.instructions.tables import FOLDER, FOUND, UNTRAINED
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.training.trainer import fit


def judged(lesson: Lesson, method: str) -> dict[str, Any]:
    """Select, train and judge; return the method's row."""
    kept = timed(lambda: METHODS[method](lesson))
    fresh = partial(fit, proxy=resolve_proxy(lesson.proxy), seed=training_seed(lesson.seed))
    fitted = timed(lambda: fresh(lesson.train, np.flatnonzero(kept.value)))
    return {
        "loss": losses(fitted.value.trainer, lesson.test),
        "answer_characters_kept": lesson.answer_lengths[kept.value].sum() / lesson.answer_lengths.sum(),
        "seconds_selecting": kept.seconds,
        "seconds_training": fitted.seconds,
    }


def as_it_came(lesson: Lesson, _: str) -> dict[str, Any]:
    """Return the row of the model that has learned nothing."""
    return {"loss": losses(untrained(lesson.test, lesson.proxy), lesson.test)}


def finish(lesson: Lesson, method: str, path: Path) -> None:
    """Write the method's row to a file."""
    found = timed(lambda: (as_it_came if method == UNTRAINED else judged)(lesson, method))
    shared = {"method": method, "kept": lesson.keep_ratio, "seed": lesson.seed, "rows_train": len(lesson.train)}
    shared |= {
        "rows_test": len(lesson.test),
        "epochs": resolve_proxy(lesson.proxy).training.epochs,
    } | machine.versions()
    storage.write(path, [shared | found.value], schema=FOUND)
    Console().print(f"{path.stem}: {found.value['loss'].mean():.4f} in {found.seconds:.0f} s")


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
