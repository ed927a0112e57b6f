"""The rows that a report names → what they hold, small enough for the report: pictures, texts, turns, records.

What is in memory as the dataset has it is taken from there. Tables are not: they were made numbers, and so were images
and texts of which a frozen model made vectors. Those few rows are read again.
"""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from PIL import Image

from ted_core.datasets import DatasetSpec, Dialogues, Samples, Texts
from ted_core.datasets.columns.images.image_files import GREY, RGB, ImageSettings, decode_image
from ted_core.datasets.columns.types import encoded_images
from ted_core.results.printable import printable
from ted_core.results.report import ReportSample, ReportTurn

EDGE = 96
"""The most pixels that a picture is high or wide."""
LONGEST_URI = 8 << 10
LONGEST_TEXT = 500
MOST_TURNS, LONGEST_TURN = 8, 400
MOST_COLUMNS, LONGEST_NAME, LONGEST_VALUE = 20, 60, 80
MOST_ITEMS = 20
"""Of a list in a record."""
ENCODINGS: tuple[tuple[str, dict[str, int | bool]], ...] = (
    ("PNG", {"optimize": True}),
    ("JPEG", {"quality": 85}),
    ("JPEG", {"quality": 60}),
)
"""The first that makes a picture small enough is taken."""
ReadRows = Callable[[Sequence[str], Sequence[int]], Iterable[pa.RecordBatch]]
"""(columns, rows' numbers, which ascend) → each of these rows as a batch of its own."""


def report_samples(
    samples: Samples, rows: Sequence[int], *, spec: DatasetSpec, read: ReadRows
) -> Mapping[int, ReportSample]:
    """Return what these rows of the dataset hold, by number; without those that could not be decoded.

    ``read`` is asked at most once. What it yields comes from the dataset's files, and so do the errors that it raises.
    """
    usable = sorted({*rows} & {*samples.row_index[_positions(samples, rows)].tolist()})
    if samples.kind in IN_MEMORY and samples.ownership is None:
        show = IN_MEMORY[samples.kind]
        positions = _positions(samples, usable).tolist()
        return {row: show(samples, position) for row, position in zip(usable, positions, strict=True)}
    names = samples.columns.names[:MOST_COLUMNS]
    show_read = AS_READ[spec.base_task]
    return {row: show_read(batch, spec) for row, batch in zip(usable, read(names, usable), strict=False)}


def _positions(samples: Samples, rows: Sequence[int]) -> np.ndarray:
    """Where the rows are among the samples; of a row that is none of them, where another one is."""
    return np.searchsorted(samples.row_index, np.asarray(rows, np.uint64)).clip(max=len(samples.row_index) - 1)


# --- from memory ------------------------------------------------------------------------------------------------------


def _image(samples: Samples, position: int) -> ReportSample:
    pixels = np.asarray(samples.inputs[position])  # type: ignore[index]
    picture = Image.fromarray(pixels[0], GREY) if len(pixels) == 1 else Image.fromarray(pixels.transpose(1, 2, 0), RGB)
    return ReportSample(image=picture_uri(picture))


def _text(samples: Samples, position: int) -> ReportSample:
    assert isinstance(samples.inputs, Texts)  # noqa: S101
    return _text_of(part[position].as_py() for part in samples.inputs.parts)


def _turns(samples: Samples, position: int) -> ReportSample:
    assert isinstance(samples.inputs, Dialogues)  # noqa: S101
    turns = samples.inputs.turns[position].as_py()[:MOST_TURNS]
    return ReportSample(turns=tuple(_turn(**turn) for turn in turns))


def _turn(*, role: str, content: str | None, **_: object) -> ReportTurn:
    return ReportTurn(
        role=printable(role, longest=LONGEST_NAME), content=printable(content or "", longest=LONGEST_TURN)
    )


IN_MEMORY: Mapping[str, Callable[[Samples, int], ReportSample]] = {"image": _image, "text": _text, "dialogue": _turns}


# --- as they are read -------------------------------------------------------------------------------------------------


def _read_image(row: pa.RecordBatch, spec: DatasetSpec) -> ReportSample:
    image = decode_image(encoded_images(row.column(0))[0], ImageSettings(background=spec.background))
    return ReportSample(image=picture_uri(image.picture) if image else None)


def _read_text(row: pa.RecordBatch, _: DatasetSpec) -> ReportSample:
    return _text_of(column[0].as_py() for column in row.columns)


def _record(row: pa.RecordBatch, _: DatasetSpec) -> ReportSample:
    values = zip(row.schema.names, row.columns, strict=True)
    return ReportSample(
        record={
            printable(name, longest=LONGEST_NAME): printable(_value(column[0]), longest=LONGEST_VALUE)
            for name, column in values
        }
    )


def _value(scalar: pa.Scalar) -> str:
    """The value as text; "null" if there is none."""
    value = scalar.as_py()
    if isinstance(value, list):
        more = ", …" if len(value) > MOST_ITEMS else ""
        return f"[{', '.join(_number(scalar.values[item]) for item in range(min(len(value), MOST_ITEMS)))}{more}]"
    return _number(scalar)


def _number(scalar: pa.Scalar) -> str:
    """A single value; numbers with as many digits as tell them from others of their type."""
    value = scalar.as_py()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(np.float32(value)) if pa.types.is_float32(scalar.type) else str(value)


AS_READ: Mapping[str, Callable[[pa.RecordBatch, DatasetSpec], ReportSample]] = {
    "image-classification": _read_image,
    "text-classification": _read_text,
    "tabular-classification": _record,
}


# --- bounds -----------------------------------------------------------------------------------------------------------


def _text_of(parts: Iterable[str]) -> ReportSample:
    return ReportSample(text="\n\n".join(printable(part, longest=LONGEST_TEXT) for part in parts))


def picture_uri(picture: Image.Image) -> str:
    """Return the picture as a data URI of at most 8 KiB, made smaller if need be."""
    picture = picture.copy()
    picture.thumbnail((EDGE, EDGE))
    while True:
        for kind, options in ENCODINGS:
            if len(uri := _uri(picture, kind, options)) <= LONGEST_URI:
                return uri
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))


def _uri(picture: Image.Image, kind: str, options: Mapping[str, int | bool]) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
