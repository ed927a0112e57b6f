"""An experiment's cells, one for each dataset, noise, keep ratio, method and seed, and the rows of finished ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, product
from pathlib import Path

import pyarrow as pa

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import machine
from benchmarks.harness.result_set import ResultSet
from benchmarks.setting import Setting
from ted_core.proxies.spec import Precision

FULL = "full"

RESULTS = ResultSet(
    "accuracy",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.float64(),
            "kept": pa.float64(),
            "method": pa.string(),
            "seed": pa.int64(),
            "budget": pa.string(),
            "epochs": pa.int64(),  # of the proxy
            "epochs_trained": pa.int64(),  # by the fresh model
            "rows_train": pa.int64(),
            "precision": pa.string(),  # of the proxy; null for its own default
            "rows_kept": pa.int64(),
            "rows_test": pa.int64(),
            "accuracy": pa.float64(),  # null where the budget left nothing to train with
            "worst_class_accuracy": pa.float64(),
            "seconds_selecting": pa.float64(),
            "seconds_training": pa.float64(),
            "seconds_full_run": pa.float64(),  # of the same data set, noise and seed
            "cost_of_one_full_run": pa.float64(),  # seconds_selecting / seconds_full_run
            "rows_trained_selecting": pa.int64(),
            "rows_measured_selecting": pa.int64(),
            "q_chosen": pa.float64(),
            "flipped_auc": pa.float64(),  # of 1 - internal generalization, for the flipped labels
            "flipped_kept": pa.float64(),  # the share of flipped labels among the retained
            "retained": pa.binary(),  # numpy.packbits of the mask; all ones where each epoch has rows of its own
            "jaccard": pa.float64(),  # of the mask and that of the seed before, in archives, which have no masks
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class Cell:
    """One fresh model. The seed pairs it with others: it draws the noise and seeds selection and training."""

    setting: Setting
    kept: float
    method: str
    budget: str

    @property
    def name(self) -> str:
        """The name of the file that marks the cell as finished; it holds everything that the numbers depend on."""
        return f"{self.setting.name}-kept{self.kept:g}-{self.method}-equal-{self.budget}.parquet"

    @property
    def full(self) -> "Cell":
        """The cell that trains on all rows, with which this one is compared."""
        return replace(self, method=FULL, kept=1.0, budget="epochs")

    def file(self, results: Path) -> Path:
        """Return the path of the cell's row once it is finished."""
        return RESULTS.path(results, f"{self.setting.dataset}/{self.name}")


@dataclass(frozen=True)
class Grid:
    """A whole experiment."""

    datasets: Sequence[str]
    noise: Sequence[float]
    kept: Sequence[float]
    methods: Sequence[str]
    seeds: Sequence[int]
    budget: str = "epochs"
    epochs: int | None = None
    rows: int | None = None
    precision: Precision | None = None

    def cells(self) -> list[Cell]:
        """Return all cells, small datasets first, then seed by seed, so that every keep ratio is seen early."""
        datasets = [name for name in BENCHMARKS if name in self.datasets]
        order = product(datasets, self.seeds, self.noise, self.kept, self.methods)
        training = self.epochs, self.rows, self.precision
        cells = [Cell(Setting(d, n, s, *training), k, m, self.budget) for d, s, n, k, m in order]
        pairs = ((cell.full, cell.full if cell.method == FULL else cell) for cell in cells)
        return list(dict.fromkeys(chain.from_iterable(pairs)))


def group_by_setting(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Group the cells that share training samples, in their given order."""
    for _, group in groupby(cells, key=lambda cell: cell.setting):
        yield list(group)
