"""A file for each block: Parquet, Hugging Face datasets' own folder, WebDataset."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.datasets.columns.types import is_bytes, is_image
from ted_core.export.errors import ExportUnsuited
from ted_core.export.form import ExportForm
from ted_core.export.pictures import picture_suffix, pictures
from ted_core.export.records import as_json
from ted_core.export.retained_rows import ExportBlock, ExportedDataset

# --- parquet ----------------------------------------------------------------------------------------------------------


def _write_parquet(folder: Path, block: ExportBlock, _: ExportedDataset) -> None:
    pq.write_table(block.table, folder / f"part-{block.number:05}.parquet", compression="zstd")


# --- Hugging Face -----------------------------------------------------------------------------------------------------


def _write_arrow(folder: Path, block: ExportBlock, dataset: ExportedDataset) -> None:
    from datasets.arrow_writer import ArrowWriter  # noqa: PLC0415 - only this form needs it

    with ArrowWriter(features=_features(block.table.schema, dataset), path=str(_shard(folder, block.number))) as writer:
        writer.write_table(block.table)
        writer.finalize()


def _features(schema: pa.Schema, dataset: ExportedDataset) -> Any:
    """The columns' features, with what the dataset itself says of them; encoded images are images."""
    from datasets import Features, Image  # noqa: PLC0415 - as above

    features = Features.from_arrow_schema(schema)
    for name in dataset.summary.inputs if dataset.spec.base_task == "image-classification" else ():
        features[name] = Image()
    return features


def _shard(folder: Path, number: int) -> Path:
    return folder / f"data-{number:05}.arrow"


def _finish_hf(folder: Path, dataset: ExportedDataset, blocks: int) -> None:
    """Write what ``load_from_disk`` reads beside the rows."""
    from datasets import DatasetInfo, Features  # noqa: PLC0415 - as above
    from pyarrow import ipc  # noqa: PLC0415 - as above

    if not blocks:
        raise ExportUnsuited("No row was retained")
    with pa.memory_map(str(_shard(folder, 0))) as source:
        features = Features.from_arrow_schema(ipc.open_stream(source).schema)
    DatasetInfo(features=features).write_to_directory(str(folder))
    state: dict[str, object] = {
        "_data_files": [{"filename": _shard(folder, number).name} for number in range(blocks)],
        "_fingerprint": hashlib.sha256(dataset.manifest.metadata.content_sha256.encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2))


# --- WebDataset -------------------------------------------------------------------------------------------------------


def _check_webdataset(dataset: ExportedDataset) -> None:
    inputs = dataset.summary.inputs if dataset.spec.base_task == "image-classification" else ()
    for field in dataset.schema or ():
        if field.name not in inputs and (is_bytes(field.type) or is_image(field.type)):
            raise ExportUnsuited(f"Column {field.name!r} holds bytes of an unknown kind")


def _write_tar(folder: Path, block: ExportBlock, dataset: ExportedDataset) -> None:
    from webdataset import TarWriter  # noqa: PLC0415 - only this form needs it

    with TarWriter(str(folder / f"shard-{block.number:06}.tar"), encoder=False, mtime=0, user="", group="") as archive:
        for sample in _samples(block, dataset):
            archive.write(sample)


def _samples(block: ExportBlock, dataset: ExportedDataset) -> Any:
    """Each row: its image or text under its suffix, its class's code as ``cls``, and all else as ``json``."""
    inputs = {*dataset.summary.inputs}
    images = pictures(block, dataset) if dataset.spec.base_task == "image-classification" else [None] * len(block.rows)
    others = block.table.drop_columns([*inputs] if dataset.spec.base_task == "image-classification" else [])
    for place, (row, image) in enumerate(zip(block.rows, images, strict=True)):
        (record,) = others.slice(place, 1).to_pylist()
        label = block.labels[place]
        about = {**record, "row_index": row, "sample_key": block.keys[place], "class": label}
        sample = {"__key__": f"{row:09}", "json": as_json(about).encode()}
        if image is not None:
            sample[picture_suffix(image)] = image
        elif dataset.spec.base_task == "text-classification" and len(inputs) == 1:
            sample["txt"] = str(record[dataset.summary.inputs[0]]).encode()
        if dataset.has_one_class_each and label is not None:
            sample["cls"] = str(_code(label, dataset)).encode()
        yield sample


def _code(label: str, dataset: ExportedDataset) -> int:
    """The class as a number: its own, if all classes are numbers; else its position in classes.json."""
    return int(label) if _are_numbers(dataset) else dataset.classes.index(label)


def _are_numbers(dataset: ExportedDataset) -> bool:
    return all(name.isdecimal() for name in dataset.classes)


def _finish_webdataset(folder: Path, dataset: ExportedDataset, _: int) -> None:
    if dataset.has_one_class_each and not _are_numbers(dataset):
        (folder / "classes.json").write_text(json.dumps(dataset.classes, ensure_ascii=False))


PARQUET = ExportForm(
    guide='`pyarrow.parquet.read_table(FOLDER)`, `datasets.load_dataset("parquet", data_files="part-*.parquet")`; '
    "`manifest.parquet` holds row numbers, not rows",
    write=_write_parquet,
)
HF = ExportForm(guide="`datasets.load_from_disk(FOLDER)`", write=_write_arrow, finish=_finish_hf, package="datasets")
WEBDATASET = ExportForm(
    guide='`webdataset.WebDataset("shard-{000000..NNNNNN}.tar").decode().to_tuple("png;jpg", "cls")`; `classes.json` '
    "names the classes where they are no numbers",
    check=_check_webdataset,
    write=_write_tar,
    finish=_finish_webdataset,
    package="webdataset",
)
