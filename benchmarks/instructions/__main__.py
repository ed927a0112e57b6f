"""``python -m benchmarks.instructions DATA --results DIR``: how well a language model predicts held-back answers.

A fresh adapter (the proxy ``lora``) is trained on what each method keeps of some instructions, and judged by its loss
on the answers of others. The baselines are random rows, random rows with answers as long as TED's, and the rows with
the highest instruction-following difficulty (Li et al. 2023, arXiv 2308.12032), which is how little an instruction
helps to predict its answer. Those are computed here: a list of 5 % of Alpaca is published, of which a sample holds few.

A run may be stopped: selections and finished methods stay in the folder of results, beside what the model's frozen
blocks make of the tokens.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.fresh_models import training_seed
from benchmarks.harness import command, machine
from benchmarks.instructions.instruction_data import InstructionData, Sizes, losses, read, untrained_model
from benchmarks.instructions.methods import METHODS
from benchmarks.instructions.tables import RESULTS, UNTRAINED
from benchmarks.setting import Folders, measure_time
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.training.trainer import fit


def measure_method(data: InstructionData, method: str) -> dict[str, Any]:
    """Select, train and test; return the method's row."""
    kept = measure_time(lambda: data.selected(method, METHODS[method]))
    fresh = partial(fit, proxy=data.proxy, seed=training_seed(data.seed))
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


def write_row(data: InstructionData, method: str, path: Path, *, shared: dict[str, Any]) -> None:
    """Measure the method and write its row to a file."""
    measure = measure_untrained if method == UNTRAINED else measure_method
    measured = measure_time(lambda: measure(data, method))
    RESULTS.write(path, [shared | {"method": method} | machine.versions() | measured.value])
    Console().print(f"{path.stem}: {measured.value['loss'].mean():.4f} in {measured.seconds:.0f} s")


def options() -> Any:
    """Return the parser of the command line."""
    parser = command.folder_options(__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=2000, help="to learn from")
    parser.add_argument("--test-rows", type=int, default=1000, help="held back")
    parser.add_argument("--longest", type=int, default=128, help="tokens of the conversations that are drawn from")
    parser.add_argument("--train-blocks", type=int, default=4, help="of the model, the last ones")
    parser.add_argument("--epochs", type=int, help="the proxy's own where left out")
    parser.add_argument("--kept", type=float, default=0.6)
    parser.add_argument("--methods", nargs="+", choices=[UNTRAINED, *METHODS], default=[UNTRAINED, *METHODS])
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main() -> None:
    """Finish what is missing, seed by seed."""
    arguments, folders = command.parse(options(), "benchmarks.instructions")
    torch.set_num_threads(arguments.threads)
    run(arguments, folders)


def run(arguments: Any, folders: Folders) -> None:
    """Measure all methods with all seeds that have no row yet."""
    spec = ProxySpec(name="lora", epochs=arguments.epochs, train_blocks=arguments.train_blocks)
    cache = folders.results / "cache"
    proxy = resolve_proxy(spec, cache=cache)
    sizes = Sizes(arguments.rows, arguments.test_rows, arguments.longest)
    setting = f"{sizes.name}-blocks{arguments.train_blocks}-epochs{proxy.training.epochs}"
    train, test = read(folders.data, sizes, proxy, cache=cache)
    first = untrained_model(test, proxy)  # as long as it lives, no other reads the model again
    for seed in arguments.seeds:
        data = InstructionData(train, test, proxy, seed, arguments.kept, folders.results / "selections" / setting)
        shared = {name: getattr(arguments, name) for name in ("kept", "longest", "train_blocks")}
        shared |= {"seed": seed, "rows_train": len(train), "rows_test": len(test), "epochs": proxy.training.epochs}
        for method in arguments.methods:
            path = RESULTS.path(folders.results, f"{method}-kept{arguments.kept:g}-{setting}-seed{seed}.parquet")
            if not path.exists():
                write_row(data, method, path, shared=shared)
    del first


if __name__ == "__main__":
    main()
