"""``python -m benchmarks.instructions DATA --results DIR``: how well a language model predicts held-back answers.

A fresh adapter (the proxy ``lora``) is trained on what each method keeps of some instructions, and judged by its loss
on the answers of others. The baselines are random rows, random rows with answers as long as TED's, and the rows with
the highest instruction-following difficulty (Li et al. 2023, arXiv 2308.12032), which is how little an instruction
helps to predict its answer.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.fresh_models import training_seed
from benchmarks.harness import command, machine
from benchmarks.instructions.instruction_data import InstructionData, losses, read, untrained_model
from benchmarks.instructions.methods import METHODS
from benchmarks.instructions.tables import RESULTS, UNTRAINED
from benchmarks.setting import measure_time
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.training.trainer import fit


def measure_method(data: InstructionData, method: str) -> dict[str, Any]:
    """Select, train and test; return the method's row."""
    kept = measure_time(lambda: METHODS[method](data))
    fresh = partial(fit, proxy=resolve_proxy(data.proxy), seed=training_seed(data.seed))
    fitted = measure_time(lambda: fresh(data.train, np.flatnonzero(kept.value)))
    return {
        "loss": losses(fitted.value.trainer, data.test),
        "answer_characters_kept": data.answer_lengths[kept.value].sum() / data.answer_lengths.sum(),
        "seconds_selecting": kept.seconds,
        "seconds_training": fitted.seconds,
    }


def measure_untrained(data: InstructionData, _: str) -> dict[str, Any]:
    """Return the row of the model that has learned nothing."""
    return {"loss": losses(untrained_model(data.test, data.proxy), data.test)}


def write_row(data: InstructionData, method: str, path: Path) -> None:
    """Measure the method and write its row to a file."""
    measure = measure_untrained if method == UNTRAINED else measure_method
    measured = measure_time(lambda: measure(data, method))
    shared = {"method": method, "kept": data.keep_ratio, "seed": data.seed, "rows_train": len(data.train)}
    shared |= {
        "rows_test": len(data.test),
        "epochs": resolve_proxy(data.proxy).training.epochs,
    } | machine.versions()
    RESULTS.write(path, [shared | measured.value])
    Console().print(f"{path.stem}: {measured.value['loss'].mean():.4f} in {measured.seconds:.0f} s")


def main() -> None:
    """Finish what is missing, seed by seed."""
    options = command.folder_options(__doc__)
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--rows", type=int, default=384, help="to learn from; as many others are held back")
    options.add_argument("--kept", type=float, default=0.6)
    options.add_argument("--methods", nargs="+", choices=[UNTRAINED, *METHODS], default=[UNTRAINED, *METHODS])
    options.add_argument("--threads", type=int, default=1)
    arguments, folders = command.parse(options, "benchmarks.instructions")
    torch.set_num_threads(arguments.threads)
    proxy = ProxySpec(name="lora", model="smollm2-135m")
    first = untrained_model(
        read(folders.data, rows=1, seed=0)[0], proxy
    )  # as long as it lives, no other reads the model again
    for seed in arguments.seeds:
        data = InstructionData(*read(folders.data, rows=arguments.rows, seed=seed), proxy, seed, arguments.kept)
        for method in arguments.methods:
            name = f"{method}-kept{arguments.kept:g}-rows{arguments.rows}-seed{seed}.parquet"
            path = RESULTS.path(folders.results, name)
            if not path.exists():
                write_row(data, method, path)
    del first


if __name__ == "__main__":
    main()
