"""Whether the rows of a dataset in memory are those that a manifest counts, by whatever the dataset tells of them.

Row numbers alone cannot show that a dataset is read in another order. Paths of images, ids and labels can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from ted_client.subset.columns import TableColumns, columns_of
from ted_client.subset.request import Keys
from ted_core.datasets.columns.types import KEY_NAMES
from ted_core.errors import ManifestMismatch
from ted_core.results.manifest import Manifest

TextsOfRows = Callable[[Sequence[int]], list[str]]
DEFAULT_TARGET = "label"
PATH_ATTRIBUTES = ("samples", "imgs")
"""Where torchvision's folders keep pairs of a path and a class."""
KEY_ATTRIBUTES = ("sample_keys", "keys")


def check_length(dataset: Any, manifest: Manifest) -> None:
    """Raise ManifestMismatch unless the dataset has as many rows as the manifest counts."""
    if len(dataset) != manifest.metadata.dataset.rows:
        fact = f"The dataset has {len(dataset)} rows, not {manifest.metadata.dataset.rows}"
        raise ManifestMismatch(fact + _missing(dataset, manifest))


def check_rows(dataset: Any, manifest: Manifest, *, keys: Keys | None = None) -> None:
    """Raise ManifestMismatch, which names the first row that differs, unless the retained rows are the manifest's.

    ``keys`` are compared with the column ``sample_key``; without them, what the dataset has: the paths of an image
    folder, a column of ids. Labels are compared where both have them and call them alike. Rows are compared some at a
    time. The dataset has as many rows as the manifest counts.
    """
    columns = columns_of(dataset)
    _check_keys(dataset, columns, manifest, keys)
    _check_labels(dataset, columns, manifest, target=manifest.metadata.dataset.target or DEFAULT_TARGET)


def _batches(manifest: Manifest, column: str) -> Iterator[tuple[list[int], list[str | None]]]:
    """Some of the manifest's rows at a time, and what the column says of each."""
    for batch in manifest.batches("row_index", column):
        yield batch["row_index"].to_pylist(), batch[column].to_pylist()


# --- keys -------------------------------------------------------------------------------------------------------------


def _check_keys(dataset: Any, columns: TableColumns | None, manifest: Manifest, keys: Keys | None) -> None:
    """Raise ManifestMismatch if some of the dataset's keys might be the manifest's, and none are."""
    if all(batch[0].null_count == len(batch) for batch in manifest.batches("sample_key")):
        if keys is not None:
            raise ManifestMismatch("The manifest holds no keys that these could be compared with")
        return
    found = _given(dataset, columns, keys) if keys is not None else _offered(dataset, columns)
    differences = [_first_difference(texts_of, manifest) for texts_of in found]
    if differences and all(differences):
        raise ManifestMismatch(differences[0] or "")


def _given(dataset: Any, columns: TableColumns | None, keys: Keys) -> list[TextsOfRows]:
    """What tells the keys of some rows, if these are given. Raises ManifestMismatch."""
    if not isinstance(keys, str):
        if len(keys) != len(dataset):
            raise ManifestMismatch(f"{len(keys)} keys are given for the dataset's {len(dataset)} rows")
        return [_texts_at(keys)]
    if columns is None or keys not in columns.names:
        raise ManifestMismatch(f"The dataset has no column {keys!r} that keys could be taken from")
    return [_texts_in_column(columns, keys)]


def _offered(dataset: Any, columns: TableColumns | None) -> list[TextsOfRows]:
    """What may tell the keys of some rows, of each kind that the dataset has."""
    if columns is not None:
        return [_texts_in_column(columns, name) for name in KEY_NAMES if name in columns.names]
    attributes = (_paths(dataset), *(_values(dataset, name) for name in KEY_ATTRIBUTES))
    return [_texts_at(values) for values in attributes if values is not None]


def _texts_at(values: Any) -> TextsOfRows:
    return lambda rows: _texts(values[row] for row in rows)


def _texts_in_column(columns: TableColumns, name: str) -> TextsOfRows:
    return lambda rows: _texts(columns.values(name, rows))


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


# --- labels -----------------------------------------------------------------------------------------------------------


def _check_labels(dataset: Any, columns: TableColumns | None, manifest: Manifest, *, target: Any) -> None:
    """Raise ManifestMismatch if a label differs, unless the dataset calls its classes something else altogether."""
    labels_of = _labels(dataset) if columns is None else _labels_in_column(columns, target)
    if labels_of is None:
        return
    expected: set[str | None] = set()
    found: set[str] = set()
    difference = None
    for rows, labels in _batches(manifest, "label"):
        codes, names = labels_of(rows)
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


LabelsOfRows = Callable[[Sequence[int]], tuple[list[Any], Mapping[Any, str]]]
"""The class of each of some rows, none if a row may have several; and what the dataset calls its classes."""


def _labels(dataset: Any) -> LabelsOfRows | None:
    targets = _values(dataset, "targets")
    if targets is None:
        return None
    names = dict(enumerate(_strings(getattr(dataset, "classes", None))))
    return lambda rows: (_single([_plain(targets[row]) for row in rows]), names)


def _labels_in_column(columns: TableColumns, target: Any) -> LabelsOfRows | None:
    if not isinstance(target, str) or target not in columns.names:
        return None
    names = dict(enumerate(_strings(columns.class_names(target))))
    return lambda rows: (_single(columns.values(target, rows)), names)


def _single(codes: list[Any]) -> list[Any]:
    return codes if all(isinstance(code, int | str) for code in codes) else []


def _strings(names: Any) -> list[str]:
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []
