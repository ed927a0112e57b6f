"""What is costly to make is kept in a folder, under a name that says what it was made of."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ted_core.content import ContentDigest, combined
from ted_core.datasets.samples import Dialogues, Texts

CHUNK = 8192
"""Rows that are hashed at a time."""
Made = TypeVar("Made")


def kept(
    folder: Path | None,
    key: str,
    ending: str,
    *,
    make: Callable[[], Made],
    write: Callable[[Made, Path], None],
    read: Callable[[Path], Made],
) -> Made:
    """What the folder holds for this key; made, and put there, where it holds nothing or something damaged.

    A file's name ends with the digest of its content and then ``ending``. Without a folder nothing is kept.
    """
    if folder is None:
        return make()
    path = _whole(folder, key, ending) or _placed(folder, key, ending, lambda partial: write(make(), partial))
    try:
        return read(path)
    except FileNotFoundError:  # somebody has just made room
        return make()


def _whole(folder: Path, key: str, ending: str) -> Path | None:
    """The file of this key whose content is what its name says; damaged ones are removed."""
    for path in folder.glob(f"{key}.*{ending}"):
        with suppress(OSError):
            if path.name == _name(key, path, ending):
                return path
        path.unlink(missing_ok=True)
    return None


def _placed(folder: Path, key: str, ending: str, write: Callable[[Path], None]) -> Path:
    """Written under a name of its own, flushed, renamed: the file is whole or absent, whoever else is writing it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".partial")
    partial = Path(temporary)
    try:
        write(partial)
        os.fsync(descriptor)
        return partial.replace(folder / _name(key, partial, ending))
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _name(key: str, content: Path, ending: str) -> str:
    return f"{key}.{sha256_of(content)}{ending}"


def key_of(**facts: object) -> str:
    """The hexadecimal SHA-256 of the facts, which JSON can hold."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def digest_of(inputs: Texts | Dialogues) -> str:
    """The hexadecimal SHA-256 of all texts or turns, however they are cut into chunks."""
    if isinstance(inputs, Texts):
        tables = {"texts": {str(number): part for number, part in enumerate(inputs.parts)}}
    else:
        roles, contents = pc.list_flatten(inputs.turns).flatten()
        lengths = pc.list_value_length(inputs.turns).cast(pa.int64())
        tables = {"dialogues": {"turns": lengths}, "turns": {"role": roles, "content": contents}}
    return combined({name: _content(pa.table(columns)) for name, columns in tables.items()})


def _content(table: pa.Table) -> ContentDigest:
    digest = ContentDigest(table.schema)
    for batch in table.to_batches(max_chunksize=CHUNK):
        digest.update(batch)
    return digest


def files_digest(files: Iterable[Path]) -> str:
    """The hexadecimal SHA-256 over the names and the contents of the files."""
    return key_of(files=[(path.name, sha256_of(path)) for path in files])


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
