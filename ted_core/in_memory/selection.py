"""Rows that were selected in this process, and everything that is known about how."""

import html
import shutil
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.results.manifest import Manifest, read_manifest
from ted_core.results.report import Report
from ted_core.results.report_page import render
from ted_core.results.writing.files import ResultsExist, WrittenResults, write_page
from ted_core.warnings import JobWarning

FRAME = '<iframe title="TED report" style="width:100%;height:600px;border:0" srcdoc="{}"></iframe>'


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Which rows are worth training on: ``x[selection.rows]``."""

    written: WrittenResults
    folder: Path
    """Where the files are until the selection is gone; ``save`` copies them."""

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, as a service would have written it."""
        return read_manifest(self.written.manifest)

    @property
    def rows(self) -> np.ndarray:
        """The retained rows: int64, ascending, counted from 0."""
        return self.manifest.row_indices

    @property
    def weights(self) -> np.ndarray:
        """The weight of each of these rows: float32, of mean 1. Raises WeightsUnknown for methods without chances."""
        return self.manifest.weights

    @cached_property
    def decisions(self) -> pa.Table:
        """What was decided about every row, and why: the columns of ``decisions.parquet``."""
        return pq.read_table(self.written.decisions)

    @cached_property
    def suspects(self) -> pa.Table:
        """Rows whose labels look wrong, the most suspicious first."""
        return pq.read_table(self.written.suspects)

    @property
    def report(self) -> Report:
        """Counts, classes before and after, rounds, examples and cost."""
        return self.written.contents

    @property
    def warnings(self) -> tuple[JobWarning, ...]:
        """What was accepted, but may not be what was meant."""
        return self.report.warnings

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write manifest, decisions, suspects and report to a folder, and return it. Raises ResultsExist."""
        target = Path(folder).expanduser()
        if (target / self.written.manifest.name).exists() and not overwrite:
            raise ResultsExist(str(target))
        target.mkdir(parents=True, exist_ok=True)
        for path in (*self.written.others, self.written.manifest):
            shutil.copyfile(path, target / path.name)
        write_page(target, self.report)
        return target

    def __len__(self) -> int:
        return self.report.rows_kept

    def __repr__(self) -> str:
        lines = [f"Selection: {len(self):,} of {self.report.dataset.rows:,} rows kept by {self.report.proxy.name}"]
        lines += [f"! {warning.code}: {warning.message}" for warning in self.warnings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return FRAME.format(html.escape(render(self.report)))
