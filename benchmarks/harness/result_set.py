"""A benchmark's results on disk: a folder of small files of one schema, each written when a task is finished."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from benchmarks.harness import storage


@dataclass(frozen=True)
class ResultSet:
    """The folder of one benchmark's files below the folder of results, and the columns of every file."""

    folder: str
    schema: pa.Schema

    def path(self, results: Path, name: str) -> Path:
        """Return the path of the file with this name, which may contain folders."""
        return results / self.folder / name

    def write(self, path: Path, rows: Sequence[dict[str, Any]]) -> None:
        """Write the rows of one finished task, completely or not at all."""
        storage.write(path, rows, schema=self.schema)

    def fill(self, path: Path, measure: Callable[[], Sequence[dict[str, Any]]], *, say: Callable[[str], None]) -> None:
        """Measure one task, write its rows and say how long it took."""
        began = time.perf_counter()
        self.write(path, measure())
        say(f"{path.stem} in {time.perf_counter() - began:.0f} s")

    def read(self, folders: Sequence[Path]) -> list[dict[str, Any]]:
        """Return the rows of all finished tasks in several folders of results."""
        return storage.read([folder / self.folder for folder in folders], schema=self.schema)


class FiledTask(Protocol):
    """A task that is finished once its file exists."""

    def file(self, results: Path) -> Path:
        """Return the path of its file below the folder of results."""
        ...


AnyFiledTask = TypeVar("AnyFiledTask", bound=FiledTask)


def unfinished(tasks: Sequence[AnyFiledTask], results: Path) -> list[AnyFiledTask]:
    """Return the tasks that have no file yet."""
    return [task for task in tasks if not task.file(results).exists()]
