"""``export``: a manifest's retained rows → a folder in another program's form."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from ted_core.export.card import card
from ted_core.export.conversations import LLAMA_FACTORY, TRL
from ted_core.export.errors import ExportExists, ExportPackageMissing, ExportUnsuited
from ted_core.export.form import ExportForm
from ted_core.export.indices import DATACOMP, IDS, NPY
from ted_core.export.label_studio import LABEL_STUDIO
from ted_core.export.names import EXPORT_FORMATS
from ted_core.export.pictures import IMAGE_FOLDER
from ted_core.export.records import CSV, JSON, JSONL
from ted_core.export.retained_rows import ExportedDataset
from ted_core.export.shards import HF, PARQUET, WEBDATASET
from ted_core.results.manifest import read_manifest

FORMS: Mapping[str, ExportForm] = {
    "parquet": PARQUET,
    "jsonl": JSONL,
    "json": JSON,
    "csv": CSV,
    "hf": HF,
    "webdataset": WEBDATASET,
    "image-folder": IMAGE_FOLDER,
    "llama-factory": LLAMA_FACTORY,
    "trl": TRL,
    "label-studio": LABEL_STUDIO,
    "npy": NPY,
    "ids": IDS,
    "datacomp": DATACOMP,
}
assert tuple(FORMS) == EXPORT_FORMATS  # noqa: S101

PROGRESS = "export-progress.json"
WatchRows = Callable[[int, int], None]
"""(rows written, rows in all)"""


def _ignore(_: int, __: int) -> None:
    """Nobody watches."""


class ExportProgress(BaseModel):
    """How far an export has come, and of what."""

    manifest: str
    """Its content_sha256."""
    form: str
    rows: int = 0
    blocks: int = 0
    sizes: dict[str, int] = {}
    """Bytes of the files that grow."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return what an interrupted export left; None if there was none."""
        try:
            return cls.model_validate_json((folder / PROGRESS).read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, folder: Path) -> None:
        """Replace what the folder says of its progress."""
        partial = folder / f"{PROGRESS}.new"
        partial.write_text(self.model_dump_json())
        partial.replace(folder / PROGRESS)


def export(
    manifest: str | Path, to: Path, *, form: str, dataset: str | None = None, watch: WatchRows = _ignore
) -> Path:
    """Return the folder ``to`` once it holds the retained rows, a card (README.md) and the manifest.

    >>> folder = export("manifest.parquet", Path("retained"), form="jsonl", dataset="data.parquet")
    >>> print((folder / "data.jsonl").read_text().splitlines()[0])
    {"x": 1.0, "label": 1}

    ``dataset`` says where the dataset lies now, if it has been moved. Rows are written some at a time. The folder
    appears when it is whole; until then it is ``.NAME.partial`` beside it, from which the same call resumes.

    Raises ManifestMismatch if the dataset has changed, ExportUnsuited, ExportExists, ExportPackageMissing, and what
    reading the dataset raises.
    """
    chosen = _form(form)
    if to.exists():
        raise ExportExists(f"{to} exists")
    selection = read_manifest(manifest)
    source = ExportedDataset.of(selection, dataset or selection.metadata.dataset.uri)
    _refuse_same_names(source)
    chosen.check(source)
    partial = to.with_name(f".{to.name}.partial")
    progress = _resumed(partial, ExportProgress(manifest=selection.metadata.content_sha256, form=form), chosen)
    _write(source, chosen, partial, progress, watch)
    (partial / "README.md").write_text(card(source, form=form, guide=chosen.guide))
    shutil.copyfile(selection.path, partial / "manifest.parquet")
    (partial / PROGRESS).unlink(missing_ok=True)
    os.rename(partial, to)  # noqa: PTH104 - it must not replace a file
    return to


def _form(name: str) -> ExportForm:
    if name not in FORMS:
        raise ExportUnsuited(f"{name!r} is none of {', '.join(FORMS)}")
    package = FORMS[name].package
    if package and importlib.util.find_spec(package) is None:
        raise ExportPackageMissing(f"{name} is written by {package}: pip install {package}")
    return FORMS[name]


def _refuse_same_names(source: ExportedDataset) -> None:
    names = source.schema.names if source.schema is not None else []
    if len({*names}) < len(names):
        raise ExportUnsuited("Several columns have the same name")


def _resumed(folder: Path, fresh: ExportProgress, form: ExportForm) -> ExportProgress:
    """The progress to resume from: what an interrupted export of the same left, or none of it."""
    found = ExportProgress.read(folder)
    if found is None or (found.manifest, found.form) != (fresh.manifest, fresh.form):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return fresh
    for name in form.grows:
        if (folder / name).exists():
            os.truncate(folder / name, found.sizes.get(name, 0))
    return found


def _write(source: ExportedDataset, form: ExportForm, folder: Path, progress: ExportProgress, watch: WatchRows) -> None:
    """Write the blocks that are not there yet, and what belongs to the whole."""
    total = source.manifest.metadata.rows_kept
    if form.write:
        for block in source.blocks(progress.rows, progress.blocks):
            form.write(folder, block, source)
            progress.rows, progress.blocks = block.start + block.table.num_rows, block.number + 1
            progress.sizes = {name: (folder / name).stat().st_size for name in form.grows}
            progress.save(folder)
            watch(progress.rows, total)
    form.finish(folder, source, progress.blocks)
