"""Files that together are one dataset: which, in what order, and with one schema."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import pyarrow as pa

from ted_core.datasets.formats.base import FindFiles
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetNotFound, DatasetUnreadable, SchemasDiffer

LISTED, LONGEST_NAME = 30, 100


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
    found = [file for file in folder.children() if file.name.lower().endswith(tuple(suffixes))]
    if not found:
        names = " or ".join(f"*{suffix}" for suffix in suffixes)
        raise DatasetUnreadable(f"{folder} holds no {names} file", field="dataset.uri")
    return found


def _matching(pattern: Source) -> list[Source]:
    """The files that the pattern's last part describes; only ``*`` means something else than itself."""
    wanted = re.compile(".*".join(map(re.escape, pattern.name.split("*"))), re.DOTALL)
    found = [file for file in pattern.parent().children() if wanted.fullmatch(file.name)]
    if not found:
        raise DatasetNotFound(f"No file matches {pattern}", field="dataset.uri")
    return found


def abbreviated_list(names: Iterable[str]) -> str:
    """The first of these names, as an error tells them: cut where they are long, and unable to command a terminal."""
    return ", ".join(_told(name) for name in islice(names, LISTED))


def _told(name: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name[:LONGEST_NAME])


def refuse_other_schema(source: Source, expected: pa.Schema, found: pa.Schema) -> None:
    """Raise SchemasDiffer unless the file has the first file's columns, types and order."""
    if found.remove_metadata().equals(expected.remove_metadata()):
        return
    different = sorted({_described(field) for field in expected} ^ {_described(field) for field in found})
    what = abbreviated_list(different) or "the order of its columns"
    raise SchemasDiffer(f"{source.name} differs from the first file in {what}", field="dataset.uri")


def _described(field: pa.Field) -> str:
    return f"{field.name}: {field.type}" + ("" if field.nullable else " not null")


@contextmanager
def translate_read_errors(
    source: Source, *, otherwise: str = "is damaged", field: str = "dataset.uri"
) -> Iterator[None]:
    """Whatever Arrow cannot read inside becomes DatasetUnreadable, which names the file, or the store's own trouble."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        raise unreadable_error(f"{source.name} {otherwise}", error, field=field) from error
