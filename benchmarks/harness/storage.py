"""Durable results: one small Parquet file per piece of work, under its final name only once it is complete."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

PARQUET, COMMANDS = "*.parquet", "commands.txt"


@contextmanager
def durably(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; what is written there is flushed to disk and then renamed to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write(path: Path, rows: Sequence[dict[str, Any]], *, schema: pa.Schema) -> None:
    """Write these rows as one file, completely or not at all."""
    with durably(path) as unfinished:
        pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), unfinished)


def read(folders: Sequence[Path], *, schema: pa.Schema) -> list[dict[str, Any]]:
    """Return every row of every finished file under the folders, in the order of the files' names."""
    files = sorted(str(path) for folder in folders for path in folder.rglob(PARQUET) if not path.name.startswith("."))
    if not files:
        return []
    rows: list[dict[str, Any]] = pyarrow.dataset.dataset(files, schema=schema).to_table().to_pylist()
    return rows


def note_command(module: str, results: Path, arguments: Sequence[str], *, folders: Mapping[str, str]) -> None:
    """Record how results were made; ``folders`` maps folders of this machine to the words that stand for them."""
    command = " ".join(["python -m", module, *(folders.get(argument, argument) for argument in arguments)])
    if command not in commands_in([results]):
        results.mkdir(parents=True, exist_ok=True)
        with (results / COMMANDS).open("a") as file:
            file.write(command + "\n")


def commands_in(folders: Sequence[Path]) -> list[str]:
    """Return the commands that made the results, each once."""
    files = [folder / COMMANDS for folder in folders]
    return list(dict.fromkeys(line for file in files if file.exists() for line in file.read_text().splitlines()))
