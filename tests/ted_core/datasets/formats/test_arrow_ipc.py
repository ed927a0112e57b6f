"""The rows of Arrow files are counted from their headers, whatever the columns hold, and forged headers are refused."""

import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from ted_core.datasets.formats.arrow_ipc import rows_in

WRITERS = {"file": ipc.new_file, "stream": ipc.new_stream}


def written(kind: str, batches: list[int], *, compression: str | None = None, legacy: bool = False) -> bytes:
    """Batches of so many rows with numbers, texts and a dictionary."""
    options = ipc.IpcWriteOptions(
        compression=compression,
        use_legacy_format=legacy,
        metadata_version=ipc.MetadataVersion.V4 if legacy else ipc.MetadataVersion.V5,
    )
    sink = io.BytesIO()
    schema = pa.schema({"x": pa.int64(), "text": pa.string(), "kind": pa.dictionary(pa.int8(), pa.string())})
    with WRITERS[kind](sink, schema, options=options) as writer:
        for rows in batches:
            kinds = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows) % 2, pa.int8()), pa.array(["a", "b"]))
            columns = [pa.array(np.arange(rows)), pa.array([str(row) for row in range(rows)]), kinds]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue()


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@settings(max_examples=20, deadline=None)
@given(batches=st.lists(st.integers(0, 40), max_size=5))
def test_as_many_rows_as_arrow_counts(kind: str, compression: str | None, batches: list[int]) -> None:
    assert rows_in(io.BytesIO(written(kind, batches, compression=compression))) == sum(batches)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_format_before_version_0_15_is_counted_too(kind: str) -> None:
    assert rows_in(io.BytesIO(written(kind, [3, 4], legacy=True))) == 7


@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_headers_give_a_number_or_a_value_error(flips: list[tuple[int, int]]) -> None:
    content = bytearray(written("stream", [5, 6]))
    for position, value in flips:
        content[position % len(content)] = value

    with suppress(ValueError):
        assert rows_in(io.BytesIO(content)) >= 0


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: content[:30]])
def test_a_header_that_is_cut_short_is_refused(damage: Callable[[bytes], bytes]) -> None:
    content = written("stream", [5])

    with pytest.raises(ValueError, match="cut short"):
        rows_in(io.BytesIO(damage(content)[:60]))
