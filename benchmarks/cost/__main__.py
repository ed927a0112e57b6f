"""``python -m benchmarks.cost DATA --results DIR``: the time of a selection, in full training runs of its proxy.

A full run is that of ``benchmarks.cost.plain_loop``, not of our trainer. It and every selection take turns in one
process of one thread, so that a machine that slows down affects all of them; the ratio is taken within each turn.
"""

from pathlib import Path

import numpy as np
import torch

from benchmarks.cost.plain_loop import PLAIN_PROXIES
from benchmarks.cost.turns import CostTurn, measure_turn, take_turn
from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import command
from benchmarks.harness.result_set import unfinished
from benchmarks.setting import Folders, SettingData, load_split
from ted_core.proxies import ProxySpec


def main() -> None:
    """Take the missing turns, one after another."""
    options = command.experiment_options(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="turns for each data set and ratio")
    options.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.3])
    arguments, folders = command.parse(options, "benchmarks.cost")
    torch.set_num_threads(1)
    drawn = command.settings(arguments, noise=[0.0], seeds=range(arguments.seeds))
    settings = [setting for setting in drawn if BENCHMARKS[setting.dataset].proxy in PLAIN_PROXIES]
    turns = [CostTurn(setting, kept) for setting in settings for kept in arguments.kept]
    _warm_up()
    for turn in unfinished(turns, folders.results):
        take_turn(turn, folders=folders)


def _warm_up() -> None:
    """Load what the first training run of a process would wait for."""
    train, _ = load_split("digits", Folders(Path(), Path()))
    list(measure_turn(SettingData(train, np.zeros(len(train), bool), train, ProxySpec(name="mlp", epochs=3), 0), 0.5))


if __name__ == "__main__":
    main()
