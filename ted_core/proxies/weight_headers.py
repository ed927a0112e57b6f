"""Which weights the files of a pretrained model hold, by their headers alone. Torch-free: the API reads this."""

import json
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from ted_core.errors import UnknownModel
from ted_core.proxies.gguf_header import gguf_shapes

FIELD = "proxy.model"
LONGEST_HEADER = 16 << 20
"""Bytes of safetensors' JSON. A model of 100,000 weights has about 12 MB."""
LENGTH = struct.Struct("<Q")
METADATA = "__metadata__"
NUMBERS_PER_BYTE = 8
"""At most; any that are packed closer would be less than a bit."""
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""Transformers look for these, in this order."""
FORGED = (ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error, OverflowError)


@dataclass(frozen=True)
class WeightHeader:
    """One tensor of numbers that a model calculates with."""

    name: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many."""
        return prod(self.shape)

    @property
    def block(self) -> str:
        """The numbered part of the model that it belongs to, such as ``encoder.layer.0``; empty if it is another."""
        parts = self.name.split(".")
        number = next((place for place, part in enumerate(parts) if part.isdecimal()), -1)
        return ".".join(parts[: number + 1])


def block_names(weights: Sequence[WeightHeader]) -> Sequence[str]:
    """Return the names of the model's transformer blocks, first to last; none if the names show none."""
    lists = defaultdict[str, set[int]](set)
    for block in {weight.block for weight in weights} - {""}:
        name, _, number = block.rpartition(".")
        lists[name].add(int(number))
    name = max(lists, key=lambda name: len(lists[name]), default="")
    return [f"{name}.{number}" for number in sorted(lists[name])]


def weight_headers(model: Path) -> Sequence[WeightHeader]:
    """Return the weights of the model in this folder or GGUF file; none if it holds no file of them that can be opened.

    Raises UnknownModel where a header contradicts itself.
    """
    try:
        return [header for file in _files(model) for header in _headers(file, *_version(file))]
    except OSError:
        return []


def _files(model: Path) -> Sequence[Path]:
    """The files that transformers would load."""
    if model.is_file():
        return [model]
    if (model / SINGLE).is_file():
        return [model / SINGLE]
    try:
        listed = json.loads((model / INDEX).read_bytes())["weight_map"].values()
        return [model / name for name in sorted({*listed})]
    except FORGED as error:
        raise UnknownModel(f"The list of weights in {model.name} cannot be read", field=FIELD) from error


def _version(file: Path) -> tuple[int, int]:
    """Size, and time in ns; a file that changes is read again."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=64)
def _headers(file: Path, size: int, _: int) -> tuple[WeightHeader, ...]:
    shapes = gguf_shapes if file.suffix == ".gguf" else _safetensors_shapes
    try:
        headers = tuple(WeightHeader(name, _checked(shape)) for name, shape in shapes(file))
        if sum(header.numbers for header in headers) > NUMBERS_PER_BYTE * size:
            raise ValueError("more weights than the file can hold")
    except FORGED as error:
        raise UnknownModel(f"The header of {file.name} cannot be read ({error})", field=FIELD) from error
    return headers


def _checked(shape: Sequence[Any]) -> tuple[int, ...]:
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError("a weight without a shape")
    return tuple(shape)


def _safetensors_shapes(file: Path) -> Iterator[tuple[str, Sequence[Any]]]:
    """The names and shapes of the weights in a safetensors file; whole numbers, such as positions, are none."""
    with file.open("rb") as content:
        (length,) = LENGTH.unpack(content.read(LENGTH.size))
        if length > LONGEST_HEADER:
            raise ValueError(f"it is to have {length} bytes")
        header: dict[str, Any] = json.loads(content.read(length))
    for name, tensor in header.items():
        if name != METADATA and tensor["dtype"].startswith(("F", "BF")):
            yield name, tensor["shape"]
