"""The rows of Arrow files are counted from their headers, whatever the columns hold, and forged headers are refused."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, ipc

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


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("rows", [0, 1, 60, 100_000])
def test_what_polars_and_pandas_write_is_counted(
    rows: int, compression: Literal["uncompressed", "lz4", "zstd"]
) -> None:
    kinds = pl.Series([str(row % 3) for row in range(rows)], dtype=pl.Categorical)
    frame = pl.DataFrame({"x": np.arange(rows), "text": [str(row) for row in range(rows)], "kind": kinds})
    file, stream, feathered = io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.write_ipc(file, compression=compression)
    frame.write_ipc_stream(stream, compression=compression)
    feather.write_feather(frame.to_pandas(), feathered, compression=compression)

    assert [rows_in(io.BytesIO(written.getvalue())) for written in (file, stream, feathered)] == [rows] * 3


@pytest.mark.parametrize("gap", [0, 8, 64, 4096])
def test_gaps_between_the_blocks_of_a_file_do_not_matter(gap: int) -> None:
    spread = spread_out(written("file", [5, 0, 7]), gap)

    assert ipc.open_file(spread).read_all().num_rows == rows_in(io.BytesIO(spread)) == 12


def spread_out(content: bytes, gap: int) -> bytes:
    """The same file with so many zeros before each of its batches, and with a footer that knows of them."""
    footer_start = len(content) - 10 - int.from_bytes(content[-10:-6], "little")
    messages, footer = content[:footer_start], content[footer_start:]
    result, end = b"", 0
    for start in batch_starts(messages):
        result += messages[end:start] + bytes(gap)
        footer = footer.replace(struct.pack("<q", start), struct.pack("<q", len(result)))
        end = start
    return result + messages[end:] + footer


def batch_starts(messages: bytes) -> list[int]:
    """Where the messages with batches begin."""
    source, starts = pa.BufferReader(messages), []
    source.seek(8)
    with suppress(EOFError):
        while True:
            start = source.tell()
            if ipc.read_message(source).type == "record batch":
                starts.append(start)
    return starts


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
