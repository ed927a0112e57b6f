"""Whether the rows of a dataset in memory are those that a manifest counts, by whatever the dataset tells of them.

Row numbers alone cannot show that a dataset is read in another order. Paths of images, ids and labels can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from ted_core.datasets.columns.types import KEY_NAMES
from ted_core.errors import ManifestMismatch
from ted_core.results.manifest import Manifest

TextsOfRows = Callable[[Sequence[int]], list[str]]
Keys = Sequence[Any] | str
"""The ids of all of a dataset's rows, or the name of the column that holds them."""
DEFAULT_TARGET = "label"
PATH_ATTRIBUTES = ("samples", "imgs")
"""Where torchvision's folders keep pairs of a path and a class."""
KEY_ATTRIBUTES = ("sample_keys", "keys")


def check_rows(dataset: Any, manifest: Manifest, *, keys: Keys | None = None) -> None:
    """Raise ManifestMismatch, which names the first row that differs, unless the retained rows are the manifest's.

    ``keys`` are compared with the column ``sample_key``; without them, what the dataset has: the paths of an image
    folder, a column of ids. Labels are compared where both have them and call them alike. Rows are compared some at a
    time.
    """
    if len(dataset) != manifest.metadata.dataset.rows:
        fact = f"The dataset has {len(dataset)} rows, not {manifest.metadata.dataset.rows}"
        raise ManifestMismatch(fact + _missing(dataset, manifest))
    _check_keys(dataset, manifest, keys)
    _check_labels(dataset, manifest, target=manifest.metadata.dataset.target or DEFAULT_TARGET)


def _batches(manifest: Manifest, column: str) -> Iterator[tuple[list[int], list[str | None]]]:
    """Some of the manifest's rows at a time, and what the column says of each."""
    for batch in manifest.batches("row_index", column):
        yield batch["row_index"].to_pylist(), batch[column].to_pylist()


# --- keys -------------------------------------------------------------------------------------------------------------


def _check_keys(dataset: Any, manifest: Manifest, keys: Keys | None) -> None:
    """Raise ManifestMismatch if some of the dataset's keys might be the manifest's, and none are."""
    if all(batch[0].null_count == len(batch) for batch in manifest.batches("sample_key")):
        if keys is not None:
            raise ManifestMismatch("The manifest holds no keys that these could be compared with")
        return
    differences = [_first_difference(texts_of, manifest) for texts_of in _candidates(dataset, keys)]
    if differences and all(differences):
        raise ManifestMismatch(differences[0] or "")


def _candidates(dataset: Any, keys: Keys | None) -> Iterator[TextsOfRows]:
    """What may tell the keys of some rows: those that are given, or each that the dataset has."""
    if isinstance(keys, str):
        yield _texts_in_column(dataset, keys)
    elif keys is not None:
        if len(keys) != len(dataset):
            raise ManifestMismatch(f"{len(keys)} keys are given for the dataset's {len(dataset)} rows")
        yield _texts_at(keys)
    else:
        attributes = (_paths(dataset), *(_values(dataset, name) for name in KEY_ATTRIBUTES))
        yield from (_texts_at(values) for values in attributes if values is not None)
        yield from (_texts_in_column(dataset, name) for name in KEY_NAMES if name in _columns(dataset))


def _texts_at(values: Any) -> TextsOfRows:
    return lambda rows: _texts(values[row] for row in rows)


def _texts_in_column(dataset: Any, name: str) -> TextsOfRows:
    return lambda rows: _texts(_column(dataset, name, rows))


def _first_difference(texts_of: TextsOfRows, manifest: Manifest) -> str | None:
    for rows, expected in _batches(manifest, "sample_key"):
        for row, actual, key in zip(rows, texts_of(rows), expected, strict=True):
            if key is not None and actual != key and not actual.endswith(f"/{key}"):
                return f"Row {row} of the dataset is {actual!r}, in the manifest {key!r}; is it read in another order?"
    return None


def _paths(dataset: Any) -> Sequence[Any] | None:
    """The path of each image, if the dataset is a folder of them."""
    for name in PATH_ATTRIBUTES:
        pairs = getattr(dataset, name, None)
        if isinstance(pairs, Sequence) and pairs and isinstance(pairs[0], tuple) and _is_path(pairs[0][0]):
            return [path for path, *_ in pairs]
    return None


def _is_path(value: object) -> bool:
    return isinstance(value, str | PathLike)


def _values(dataset: Any, name: str) -> Sequence[Any] | None:
    """One value for each row, if the attribute holds as many; a dictionary's ``keys`` is a method."""
    values: Any = getattr(dataset, name, None)
    is_list = hasattr(values, "__getitem__") and hasattr(values, "__len__")
    return values if is_list and len(values) == len(dataset) else None


def _texts(values: Iterable[Any]) -> list[str]:
    return [fspath(value).replace("\\", "/") if isinstance(value, PathLike) else str(_plain(value)) for value in values]


def _plain(value: Any) -> Any:
    """A tensor's or array's number as Python's own."""
    return value.item() if hasattr(value, "item") else value


def _missing(dataset: Any, manifest: Manifest) -> str:
    """Which of the manifest's files an image folder lacks, if it lacks one."""
    paths = _paths(dataset)
    keys = [key for _, some in _batches(manifest, "sample_key") for key in some if key] if paths else []
    if paths is None or not keys:
        return ""
    ends: dict[int, set[str]] = {}
    for key in keys:
        parts = key.count("/") + 1
        if parts not in ends:
            ends[parts] = {"/".join(path.split("/")[-parts:]) for path in _texts(paths)}
        if key not in ends[parts]:
            return f"; {key} is not among its files, of which some suffixes may have been left out"
    return ""


# --- columns ----------------------------------------------------------------------------------------------------------


def _columns(dataset: Any) -> Collection[str]:
    """The names of the columns of a Hugging Face dataset; none if it is something else."""
    names = getattr(dataset, "column_names", None)
    return names if isinstance(names, list) and hasattr(dataset, "select_columns") else []


def _column(dataset: Any, name: str, rows: Sequence[int]) -> list[Any]:
    """What the column holds in these rows, as it is stored. Raises ManifestMismatch."""
    if name not in _columns(dataset):
        raise ManifestMismatch(f"The dataset has no column {name!r} that keys could be taken from")
    return list(dataset.with_format(None).select_columns([name]).select(rows)[name])


# --- labels -----------------------------------------------------------------------------------------------------------


def _check_labels(dataset: Any, manifest: Manifest, *, target: Any) -> None:
    """Raise ManifestMismatch if a label differs, unless the dataset calls its classes something else altogether."""
    if _values(dataset, "targets") is None and target not in _columns(dataset):
        return
    expected: set[str | None] = set()
    found: set[str] = set()
    difference = None
    for rows, labels in _batches(manifest, "label"):
        codes, names = _labels(dataset, rows, target)
        spelled = [{str(code), names.get(code, "")} for code in codes]
        expected.update(labels)
        found.update(*spelled)
        difference = difference or next(_differing_labels(rows, labels, spelled), None)
    if difference and expected - {None} <= found:
        raise ManifestMismatch(difference)


def _differing_labels(rows: Sequence[int], labels: Sequence[str | None], spelled: Sequence[set[str]]) -> Iterator[str]:
    for row, actual, label in zip(rows, spelled, labels, strict=False):
        if label is not None and label not in actual:
            names_there = " or ".join(sorted(filter(None, actual)))
            yield f"Row {row} of the dataset is of class {names_there}, in the manifest of {label}"


def _labels(dataset: Any, rows: Sequence[int], target: Any) -> tuple[list[Any], Mapping[Any, str]]:
    """The class of each row, and what the dataset calls its classes; nothing if it tells none, or several per row."""
    targets = _values(dataset, "targets")
    if targets is not None:
        codes = [_plain(targets[row]) for row in rows]
        return _single(codes), dict(enumerate(_strings(getattr(dataset, "classes", None))))
    if isinstance(target, str) and target in _columns(dataset):
        feature = dataset.features[target]
        return _single(_column(dataset, target, rows)), dict(enumerate(_strings(getattr(feature, "names", None))))
    return [], {}


def _single(codes: list[Any]) -> list[Any]:
    return codes if all(isinstance(code, int | str) for code in codes) else []


def _strings(names: Any) -> list[str]:
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []
