"""JSON: one array of objects, as Alpaca and LLaMA-Factory have it.

The objects are parsed one after another, so that no more than a few megabytes of them are in memory, unless a single
object is larger.
"""

from collections.abc import Iterator
from typing import Any

from ted_core.datasets.budget import current_budget
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.formats.text.json_objects import JsonObject, ObjectReader
from ted_core.datasets.formats.text.json_text import JsonText, no_array_error, opened
from ted_core.datasets.formats.text_scan import suffixes
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import files_with
from ted_core.errors import DatasetUnreadable

MOST_OBJECTS = 1 << 12
"""That are handed on at a time."""


def _blocks(source: Source) -> Iterator[list[JsonObject]]:
    """Some objects at a time, as far as the inspection's budget goes; the first ones always."""
    with opened(source) as text:
        if text.next_character() != "[":
            raise no_array_error(text)
        block: list[JsonObject] = []
        read = 0
        for number, record in enumerate(_elements(text), start=1):
            block.append(JsonObject(number, _object(record, number, source)))
            if len(block) == MOST_OBJECTS or text.characters_read > read:
                yield block
                if current_budget().is_spent(text_bytes=text.characters_read - read):
                    return
                block, read = [], text.characters_read
        if block:
            yield block


def _elements(text: JsonText) -> Iterator[Any]:
    """The array's elements; the text stands at its bracket."""
    text.position += 1
    if text.next_character() == "]":
        text.position += 1
        text.check_end()
        return
    while True:
        yield text.value()
        separator = text.next_character()
        text.position += 1
        if separator == "]":
            text.check_end()
            return
        if separator != ",":
            raise text.error("a comma or the array's end is missing" if separator else "the file ends within the array")


def _object(record: Any, number: int, source: Source) -> dict[str, Any]:
    if not isinstance(record, dict):
        fact = f"Element {number} of the array in {source.name} is of type {type(record).__name__}; write objects only"
        raise DatasetUnreadable(fact, field="dataset.uri")
    return record


ARRAY = ObjectReader("Object", _blocks)
JSON = format_of(RowReader(files_with(*suffixes(".json")), ARRAY.schema_summary, ARRAY.batches, late_columns=True))
