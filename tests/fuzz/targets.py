"""What is fuzzed: a name → a function of a stranger's bytes, which lets nothing but its own errors pass."""

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ted_client.errors import ClientError
from ted_client.sse import SseDecoder
from ted_core.datasets import DatasetSpec, Limits, load
from ted_core.errors import TedError
from ted_core.retry_after import parse_retry_after
from tests.fuzz import inputs

Read = Callable[[bytes], None]
SEPARATOR = b"\n=====\n"
"""Between the two files of formats that take two."""
PNG = (inputs.FOLDER / "image-folder" / "png-rgb").read_bytes()
MEMORY = tempfile.gettempdir() if not Path("/dev/shm").is_dir() else "/dev/shm"  # noqa: S108 - as fast as files can be
LIMITS = Limits(memory_bytes=64 << 20, max_undecodable=0.5)
ROWS: Sequence[Mapping[str, object]] = (
    {"task": "tabular-classification", "missing": "impute"},
    {"task": "text-classification"},
    {"task": "causal-lm"},
    {"task": "image-classification"},
)
ARRAYS: Sequence[Mapping[str, object]] = ({"task": "image-classification"}, {"task": "tabular-classification"})
_numbers = itertools.count()


def _dataset(form: str, write: Callable[[Path, bytes], Path], choices: Sequence[Mapping[str, object]]) -> Read:
    """Load what ``write`` makes of the bytes, with every choice."""

    def read(content: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix=f"{next(_numbers)}-") as folder:
            path = write(Path(folder), content)
            for choice in choices:
                spec = DatasetSpec.model_validate({"uri": str(path), "format": form, **choice})
                with suppress(TedError):
                    load(spec, roots=[Path(folder)], limits=LIMITS)

    return read


def _file(name: str) -> Callable[[Path, bytes], Path]:
    def write(folder: Path, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def _two_files(*names: str) -> Callable[[Path, bytes], Path]:
    def write(folder: Path, content: bytes) -> Path:
        for name, part in zip(names, content.partition(SEPARATOR)[::2], strict=True):
            (folder / name).write_bytes(part)
        return folder

    return write


def _image_folder(folder: Path, content: bytes) -> Path:
    for name, image in {"a/0.png": PNG, "b/1.png": content}.items():
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(image)
    return folder


def _event_stream(content: bytes) -> None:
    whole, bitten = SseDecoder(), SseDecoder()
    with suppress(ClientError):
        events = list(whole.feed(content))
        assert events == [event for byte in content for event in bitten.feed(bytes([byte]))]


def _retry_after(content: bytes) -> None:
    seconds = parse_retry_after(content.decode("latin-1"), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert seconds is None or seconds >= 0


TARGETS: Mapping[str, Read] = {
    "parquet": _dataset("parquet", _file("data.parquet"), ROWS),
    "arrow": _dataset("arrow", _file("data.arrow"), ROWS),
    "csv": _dataset("csv", _file("data.csv"), ROWS[:2]),
    "jsonl": _dataset("jsonl", _file("data.jsonl"), ROWS[:3]),
    "hf": _dataset("hf", _two_files("state.json", "data.arrow"), ROWS[:2]),
    "npz": _dataset("npz", _file("data.npz"), ARRAYS),
    "idx": _dataset("idx", _two_files("images-idx3-ubyte", "labels-idx1-ubyte"), ARRAYS),
    "webdataset": _dataset("webdataset", _file("data.tar"), (ROWS[1], ROWS[3])),
    "image-folder": _dataset("image-folder", _image_folder, ROWS[3:]),
    "event-stream": _event_stream,
    "retry-after": _retry_after,
}
