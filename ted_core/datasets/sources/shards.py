"""Files that together are one dataset: which, and in what order."""

import re
from collections.abc import Callable, Sequence

from ted_core.datasets.sources.base import Source
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetNotFound, DatasetUnreadable

FindFiles = Callable[[Source, DatasetSpec], Sequence[Source]]
"""The dataset's files in row order, from what the request names; or a folder taken as one file, with those inside."""


def files_with(*suffixes: str) -> FindFiles:
    """How a format finds its files: the file named, a folder's files with these suffixes, or a pattern's matches.

    Files come in the order of their names. Hidden ones, such as editors and archivers leave behind, are passed over.
    """

    def files(named: Source, _: DatasetSpec) -> Sequence[Source]:
        if named.is_folder:
            return _in_folder(named, suffixes)
        return [named] if named.exists else _matching(named)

    return files


def _in_folder(folder: Source, suffixes: Sequence[str]) -> list[Source]:
    files = [file for file in folder.children() if file.name.lower().endswith(tuple(suffixes))]
    if not files:
        names = " or ".join(f"*{suffix}" for suffix in suffixes)
        raise DatasetUnreadable(f"{folder} holds no {names} file", field="dataset.uri")
    return files


def _matching(pattern: Source) -> list[Source]:
    """The files that the pattern's last part describes; every character but ``*`` stands for itself."""
    expression = re.compile(".*".join(map(re.escape, pattern.name.split("*"))), re.DOTALL)
    files = [file for file in pattern.parent().children() if expression.fullmatch(file.name)]
    if not files:
        raise DatasetNotFound(f"No file matches {pattern}", field="dataset.uri")
    return files
