"""What every format of rows can rely on, whatever its reader does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from ted_core.datasets import DatasetSpec, Limits
from ted_core.datasets.formats.base import Format
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetChanged

SOURCES = [Source.at(Path("/a")), Source.at(Path("/b"))]
SPEC = DatasetSpec(uri="/data", task="tabular-classification")
ROWS = pa.record_batch({"x": [1.0, 2.0], "label": [0, 1]})


def announcing(*counts: int, batches: int) -> Format:
    """A format that announces so many rows per file, and then reads so many batches of two."""

    def schema_summary(_: Sequence[Source], __: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
        return ROWS.schema, counts

    def read(_: Sequence[Source], names: Sequence[str], __: DatasetSpec) -> Iterator[pa.RecordBatch]:
        yield from [ROWS.select(list(names))] * batches

    return format_of(RowReader(lambda source, _: [source], schema_summary, read))


def test_as_many_rows_as_were_announced_are_samples() -> None:
    samples = announcing(2, 4, batches=3).load(SOURCES, SPEC, Limits())

    assert samples.inputs.tolist() == [[1], [2]] * 3
    assert samples.row_index.tolist() == list(range(6))


@pytest.mark.parametrize("batches", [2, 4], ids=["fewer", "more"])
def test_other_rows_than_were_announced_are_another_dataset(batches: int) -> None:
    with pytest.raises(DatasetChanged) as refusal:
        announcing(2, 4, batches=batches).load(SOURCES, SPEC, Limits())

    assert refusal.value.field == "dataset.uri"


def test_a_row_is_named_by_its_number_or_with_its_file_where_there_are_several() -> None:
    assert RowLocations(("a",), (9,)).first([0, 8]) == "2 rows, first: 0, 8"
    assert RowLocations(("a", "b", "c"), (2, 0, 3)).first([1, 2, 4]) == "3 rows, first: 1 of a, 0 of c, 2 of c"


def test_only_the_first_few_rows_are_named() -> None:
    assert RowLocations(("a",), (9,)).first(range(9)) == "9 rows, first: 0, 1, 2, 3, 4"
