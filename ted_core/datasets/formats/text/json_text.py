"""A JSON document, value after value, without holding all of it; and what a document is that is no array of objects."""

import codecs
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
from pydantic_core import from_json

from ted_core.datasets.formats.text_scan import text_of
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.errors import DatasetUnreadable

BLOCK_BYTES = 1 << 20
LARGEST_OBJECT = 256 << 20
"""Characters."""
UNFINISHED = 16
"""Characters before the end in which a word, a number or an escape may be cut."""
SHOWN = 20
BLANKS = " \t\r\n"
FORMAT, URI = "dataset.format", "dataset.uri"


@contextmanager
def opened(source: Source) -> "Iterator[JsonText]":
    """Open the file's text at its beginning."""
    with translate_read_errors(source), closing(text_of(source)) as file:
        yield JsonText(source, file)


class JsonText:
    """A file's text, some of it at a time, and how far it has been read."""

    def __init__(self, source: Source, file: pa.NativeFile) -> None:
        self.source, self.file = source, file
        self.buffer, self.position = "", 0
        self.characters_read = 0
        self._lines = 1
        """The number of the line in which the buffer begins."""
        self._ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._parse = json.JSONDecoder().raw_decode

    @property
    def line(self) -> int:
        """The number of the line that is read."""
        return self._lines + self.buffer.count("\n", 0, self.position)

    def next_character(self) -> str:
        """Go to the next character that is no blank, and return it; nothing at the end."""
        while True:
            start = self.position
            rest = self.buffer[start : start + SHOWN].lstrip(BLANKS) or self.buffer[start:].lstrip(BLANKS)
            if rest:
                self.position = self.buffer.index(rest[0], start)
                return rest[0]
            self.position = len(self.buffer)
            if not self._read_on():
                return ""

    def value(self) -> Any:
        """Return the value that begins at the next character, and go to its end. Raises DatasetUnreadable."""
        self.next_character()
        while True:
            try:
                value, self.position = self._parse(self.buffer, self.position)
            except (ValueError, RecursionError) as error:
                reason, at = getattr(error, "msg", str(error)), getattr(error, "pos", None)
                if not self._may_be_unfinished(error):
                    raise self.error(reason, at=at) from error
                if not self._read_on():
                    raise self.error(f"{reason}; perhaps the file was cut short", at=at) from error
            else:
                return value

    def _may_be_unfinished(self, error: Exception) -> bool:
        """Whether further text may be all that is missing."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.buffer) - UNFINISHED

    def _read_on(self) -> bool:
        """Whether there was more of the file; as much as is still to be parsed, so that no text is parsed often."""
        if self._ended:
            return False
        self._lines += self.buffer.count("\n", 0, self.position)
        rest = self.buffer[self.position :]
        if len(rest) > LARGEST_OBJECT:
            raise DatasetUnreadable(f"An object of {self.source.name} is longer than {LARGEST_OBJECT:,}", field=URI)
        content = bytes(self.file.read(max(BLOCK_BYTES, len(rest))))
        self._ended = not content
        more = self._decoder.decode(content, final=self._ended)
        self.characters_read += len(more)
        self.buffer, self.position = rest + more, 0
        return not self._ended

    def check_end(self) -> None:
        """Raise DatasetUnreadable if anything follows."""
        if following := self.next_character():
            raise self.error(f"{following!r} follows the array")

    def error(self, reason: str, *, at: int | None = None) -> DatasetUnreadable:
        """Return the error that the text is no array from here on."""
        self.position = self.position if at is None else at
        return DatasetUnreadable(f"Line {self.line} of {self.source.name} is not JSON ({reason})", field=URI)


# --- what is no array -------------------------------------------------------------------------------------------------


def no_array_error(text: JsonText) -> DatasetUnreadable:
    """Return the error that the file begins with something else, and what that may be."""
    name, start = text.source.name, text.buffer[text.position :]
    if not start:
        return DatasetUnreadable(f"{name} is empty; write an array of objects, such as [] for none", field=URI)
    if not start.startswith("{"):
        return DatasetUnreadable(f"{name} begins with {start[:SHOWN]!r}, which is no array of objects", field=FORMAT)
    if _is_followed(text):
        fact = f"{name} holds one object after another; dataset.format jsonl reads that"
        return DatasetUnreadable(fact, field=FORMAT)
    return DatasetUnreadable(f"{name} is one object{_object_hint(_partial(start))}", field=FORMAT)


def _is_followed(text: JsonText) -> bool:
    """Whether another object follows the first."""
    try:
        text.value()
    except DatasetUnreadable:
        return False
    return text.next_character() == "{"


def _object_hint(record: Mapping[str, Any]) -> str:
    for name, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return f", whose {name!r} holds the rows; write that array alone into the file"
    if record and all(isinstance(value, dict | list) for value in record.values()):
        return " of columns; write an array of rows, as pandas does with orient='records'"
    return "; write an array of objects, or one object per line (dataset.format jsonl)"


def _partial(start: str) -> Mapping[str, Any]:
    """What the beginning of an object holds."""
    try:
        record = from_json(start[:BLOCK_BYTES], allow_partial="trailing-strings")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def one_object_error(source: Source) -> DatasetUnreadable | None:
    """Return the error that a file that begins with an object holds no other; None if it holds several, or no JSON."""
    with opened(source) as text:
        text.next_character()
        try:
            value = text.value()
        except DatasetUnreadable:
            return None
        if text.next_character():
            return None
    hint = _object_hint(value) if isinstance(value, dict) else ""
    return DatasetUnreadable(f"{source.name} is one object{hint}", field=FORMAT) if hint else None
