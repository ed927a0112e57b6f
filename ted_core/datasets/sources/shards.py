"""Files that together are one dataset: which, and in what order."""

from collections.abc import Callable, Sequence

from ted_core.datasets.findings import warn
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.name_pattern import NamePattern
from ted_core.datasets.sources.passed_over import PassedOver, is_companion
from ted_core.datasets.sources.splits import (
    HELD_OUT,
    by_split,
    chosen_split,
    of_split,
    refuse_several,
    split_of,
    unknown_split,
)
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetNotFound, DatasetUnreadable, SettingUnsuited
from ted_core.warnings import WarningCode

FindFiles = Callable[[Source, DatasetSpec], Sequence[Source]]
"""The dataset's files in row order, from what the request names; or a folder taken as one file, with those inside."""
FIELD = "dataset.uri"
DATA_SUFFIXES = (
    *(".parquet", ".pq", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".jsonl", ".ndjson", ".tar", ".tgz", ".npz"),
    *(".npy", ".orc", ".avro", ".xlsx", ".xls", ".h5", ".hdf5", ".pkl", ".pickle", ".pt", ".mat", ".tfrecord", ".data"),
    *(".gz", ".bz2", ".zst", ".xz", ".lz4", ".lzma", ".zip", ".7z", ".rar", ".sqlite", ".dat"),
)
"""What may hold rows, whether or not this service reads it."""
MOST_SUBFOLDERS, SAMPLED_NAMES = 20, 1000
"""How many of a folder's own folders are looked into, and at how many names in each."""


def files_with(*suffixes: str) -> FindFiles:
    """How a format finds its files: the file named, a folder's files with these suffixes, or a pattern's matches.

    Files come in the order of their names, all of one split. Hidden ones, such as editors and archivers leave behind,
    are passed over. Where a folder holds none of them itself, its folder of the split's name is read instead.
    """

    def files(named: Source, spec: DatasetSpec) -> Sequence[Source]:
        if named.is_folder:
            return _in_folder(named, suffixes, spec.split)
        return _single(named, spec.split) if named.exists else _matching(named, spec.split)

    return files


def _single(file: Source, split: str | None) -> list[Source]:
    if split and not chosen_split([split_of(file.name)], split):
        raise SettingUnsuited(
            f"{file.name} is a single file, whose name tells no split {split!r}", field="dataset.split"
        )
    return [file]


def _matching(pattern: Source, split: str | None) -> list[Source]:
    """The files that the pattern's last part describes. Raises DatasetNotFound."""
    return _one_split(matches(pattern), split, where=pattern)


def matches(pattern: Source) -> list[Source]:
    """Return what the pattern's last part describes, by name. Raises DatasetNotFound."""
    name = NamePattern.parse(pattern.name)
    files = [file for file in pattern.parent().children() if name.matches(file.name)]
    if not files:
        raise DatasetNotFound(f"No file matches {pattern}", field=FIELD)
    return files


def _in_folder(folder: Source, suffixes: Sequence[str], split: str | None) -> list[Source]:
    files = [file for file in folder.children() if file.name.lower().endswith(tuple(suffixes))]
    if not files or (split and _has_only(folder, files, split)):
        return _in_folder_of_split(folder, suffixes, split)
    chosen = _one_split(files, split, where=folder)
    _report_others(folder, suffixes, chosen)
    return chosen


def _one_split(files: Sequence[Source], split: str | None, *, where: Source) -> list[Source]:
    chosen = of_split(files, split, where=where)
    if not split:
        _warn_of_held_out(chosen)
    return chosen


def _warn_of_held_out(files: Sequence[Source]) -> None:
    """Warn if the names of some files say that they are to evaluate on, and those of others say nothing."""
    groups = by_split(file.name for file in files)
    for split, names in groups.items():
        if split and split.lower() in HELD_OUT and None in groups:
            fact = f"{names[0]} is read as one dataset with {groups[None][0]}, though its name says {split}"
            warn(WarningCode.SPLIT_AMONG_FILES, fact, field=FIELD)


# --- folders in the folder --------------------------------------------------------------------------------------------


def subfolders(folder: Source) -> list[Source]:
    """Return the folders that lie in it, without links: they could lead anywhere."""
    return [child for child in folder.children() if child.is_folder and not child.is_link]


def split_folder(folder: Source, split: str) -> Source | None:
    """Return the folder's own folder of this split, if there is one: called so, or Train_Set for train."""
    inner = {child.name: child for child in subfolders(folder)}
    told = {found: name for name in inner if (found := split_of(name))}
    name = chosen_split(inner, split) or told.get(chosen_split(told, split) or "")
    return inner[name] if name else None


def _has_only(folder: Source, files: Sequence[Source], split: str) -> bool:
    """Whether the split is a folder, and none of the files'."""
    named = chosen_split(map(split_of, (file.name for file in files)), split)
    return named is None and split_folder(folder, split) is not None


def _in_folder_of_split(folder: Source, suffixes: Sequence[str], split: str | None) -> list[Source]:
    """The files in the folder's own folder of this split. Raises DatasetUnreadable, which says where others lie."""
    if split and (inner := split_folder(folder, split)):
        files = [file for file in inner.children() if file.name.lower().endswith(tuple(suffixes))]
        if files:
            return of_split(files, None, where=inner)
    holders = [child.name for child in subfolders(folder)[:MOST_SUBFOLDERS] if _holds(child, suffixes)]
    if not split:
        refuse_several(by_split(holders), where=folder, kind="folders")
    elif holders:
        raise unknown_split(split, holders, where=folder)
    names = " or ".join(f"*{suffix}" for suffix in suffixes)
    raise DatasetUnreadable(f"{folder} holds no {names} file{_hint(folder, holders)}", field=FIELD)


def _hint(folder: Source, holders: Sequence[str]) -> str:
    if holders:
        return f", but {', '.join(holders)} does: name it"
    other = next((child.name for child in folder.children() if child.is_file and not is_companion(child.name)), None)
    return f"; for files without such a suffix, name a pattern, such as {folder}/{other[:1]}*" if other else ""


def _holds(folder: Source, suffixes: Sequence[str]) -> bool:
    return any(name.lower().endswith(tuple(suffixes)) for name in folder.some_names(SAMPLED_NAMES))


# --- what else lies in the folder -------------------------------------------------------------------------------------


def _report_others(folder: Source, suffixes: Sequence[str], chosen: Sequence[Source]) -> None:
    passed_over = PassedOver(str(folder), f"no {suffixes[0]}", _may_hold_rows)
    names = {file.name for file in chosen}
    looked_into = {child.name for child in subfolders(folder)[:MOST_SUBFOLDERS]}
    for child in folder.children():
        if child.name in names:
            continue
        if child.name.lower().endswith(tuple(suffixes)):
            passed_over.note(child.name, "of another split")
        elif not child.is_folder:
            passed_over.add(child.name)
        elif child.name in looked_into and _holds(child, suffixes):
            passed_over.suspect(f"{child.name}/", "a folder, which is named by itself")
        else:
            passed_over.note(f"{child.name}/", "a folder")
    passed_over.report()


def _may_hold_rows(name: str) -> bool:
    """Whether its suffix is that of data, or it has none, as parts of a whole often have not."""
    return name.lower().endswith(DATA_SUFFIXES) or "." not in name
