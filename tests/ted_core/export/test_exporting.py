"""Exports hold the retained rows, in order and with their labels, as the programs read them that they are meant for."""

import gc
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset as wds
from defusedxml import ElementTree
from PIL import Image

from ted_core.errors import ManifestMismatch
from ted_core.export import exporting, retained_rows
from ted_core.export.errors import ExportExists, ExportPackageMissing, ExportUnsuited
from ted_core.export.exporting import FORMS, export
from ted_core.export.form import ExportForm
from ted_core.results.manifest import read_manifest
from tests.reference.image_folder import ImageFolder
from tests.ted_core.datasets.files import IMAGES, image
from tests.ted_core.datasets.manifests import manifest_of

ROWS = 40


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A file of texts of two classes, with ids as DataComp has them."""
    columns = {
        "uid": [f"{row:032x}" for row in range(ROWS)],
        "text": [f'so-called "{row}",\na text' for row in range(ROWS)],
        "label": ["cat" if row % 3 else "dog" for row in range(ROWS)],
    }
    pq.write_table(pa.table(columns), tmp_path / "texts.parquet", row_group_size=7)
    return tmp_path / "texts.parquet"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A Hugging Face folder of pictures whose classes have names."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {
        "image": [{"bytes": image(row), "path": None} for row in range(ROWS)],
        "label": [r % 2 for r in range(ROWS)],
    }
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps({"messages": turns(row)}) + "\n" for row in range(ROWS)))
    return path


def turns(row: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"And {row}?"}, {"role": "assistant", "content": f"{row}."}]


def kept(manifest: Path) -> list[int]:
    return read_manifest(manifest).row_indices.tolist()


# --- tables of texts --------------------------------------------------------------------------------------------------


def of_parquet(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(map(str, folder.glob("part-*.parquet")))
    return list(datasets.load_dataset("parquet", data_files=paths, split="train", cache_dir=str(folder / "cache")))


def of_json(name: str) -> Callable[[Path], list[dict[str, Any]]]:
    def read(folder: Path) -> list[dict[str, Any]]:
        path = str(folder / name)
        return list(datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(folder / "cache")))

    return read


def of_webdataset(folder: Path) -> list[dict[str, Any]]:
    classes = json.loads((folder / "classes.json").read_text())
    return [
        {"uid": sample["json"]["uid"], "text": sample["txt"], "label": classes[sample["cls"]]}
        for sample in samples(folder)
    ]


def samples(folder: Path) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the files open
        found = list(wds.WebDataset(sorted(map(str, folder.glob("*.tar"))), shardshuffle=False).decode("rgb8"))
        gc.collect()
    return found


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "parquet": of_parquet,
    "jsonl": of_json("data.jsonl"),
    "json": of_json("data.json"),
    "csv": lambda folder: pd.read_csv(folder / "data.csv").to_dict("records"),
    "hf": lambda folder: list(datasets.load_from_disk(str(folder))),
    "webdataset": of_webdataset,
}


@pytest.mark.parametrize("form", READERS)
def test_a_table_is_read_as_it_was(texts: Path, tmp_path: Path, form: str, small_blocks: None) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")

    folder = export(manifest, tmp_path / "export", form=form)

    assert READERS[form](folder) == pq.read_table(texts).take(kept(manifest)).to_pylist()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows each."""
    monkeypatch.setattr(retained_rows, "BLOCK_ROWS", 3)


def test_label_studio_is_given_texts_with_their_labels(texts: Path, tmp_path: Path) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")

    folder = export(manifest, tmp_path / "export", form="label-studio")

    tasks = json.loads((folder / "tasks.json").read_text())
    rows = pq.read_table(texts).take(kept(manifest)).to_pylist()
    assert [(task["data"]["input"], task["data"]["row_index"]) for task in tasks] == [
        (row["text"], number) for row, number in zip(rows, kept(manifest), strict=True)
    ]
    results = [task["annotations"][0]["result"][0] for task in tasks]
    assert [result["value"]["choices"] for result in results] == [[row["label"]] for row in rows]
    view = ElementTree.parse(folder / "config.xml").getroot()
    tags = {tag.get("name"): tag.get("toName") or tag.get("value") for tag in view}
    assert tags == {results[0]["to_name"]: "$input", results[0]["from_name"]: results[0]["to_name"]}
    assert [choice.get("value") for choice in view.iter("Choice")] == ["cat", "dog"]


# --- rows alone -------------------------------------------------------------------------------------------------------


def test_numbers_ids_and_uids_need_no_rows(texts: Path, tmp_path: Path) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")

    numbers, ids, uids = (export(manifest, tmp_path / form, form=form) for form in ("npy", "ids", "datacomp"))

    assert np.load(numbers / "rows.npy").tolist() == kept(manifest)
    assert (ids / "ids.txt").read_text().splitlines() == [f"{row:032x}" for row in kept(manifest)]
    subset = np.load(uids / "subset.npy")
    assert (subset.dtype, subset.tolist()) == (np.dtype("u8,u8"), [(0, row) for row in kept(manifest)])


# --- images -----------------------------------------------------------------------------------------------------------


def pixels(picture: Any) -> list[Any]:
    colours: list[Any] = np.asarray(picture).tolist()
    return colours


def test_images_are_the_datasets_own_bytes_in_every_form(images: Path, tmp_path: Path) -> None:
    manifest = manifest_of(images, tmp_path / "out", task=IMAGES)
    rows = kept(manifest)

    folders = {form: export(manifest, tmp_path / form, form=form) for form in ("image-folder", "webdataset", "hf")}

    names = ["cat", "dog"]
    tree = ImageFolder(folders["image-folder"])
    found = {int(Path(path).stem): pair for (path, _), pair in zip(tree.samples, tree, strict=True)}
    assert (tree.classes, found) == (names, {row: (image(row), row % 2) for row in rows})
    original = [(pixels(row["image"]), row["label"]) for row in datasets.load_from_disk(str(images)).select(rows)]
    streamed = samples(folders["webdataset"])
    assert [(pixels(sample["png"]), sample["cls"]) for sample in streamed] == original
    assert [sample["json"]["class"] for sample in streamed] == [names[label] for _, label in original]
    loaded = datasets.load_from_disk(str(folders["hf"]))
    assert loaded.features["label"].names == names
    assert [(pixels(row["image"]), row["label"]) for row in loaded] == original


def test_arrays_of_images_become_files(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "data.npz", x=pictures, y=np.arange(ROWS) % 3)
    manifest = manifest_of(tmp_path / "data.npz", tmp_path / "out", task=IMAGES)

    folder = export(manifest, tmp_path / "export", form="image-folder")

    found = {int(path.stem): (path.parent.name, pixels(Image.open(path))) for path in folder.rglob("*.png")}
    assert found == {row: (str(row % 3), pictures[row].tolist()) for row in kept(manifest)}


# --- conversations ----------------------------------------------------------------------------------------------------


def test_conversations_are_lists_of_messages(chats: Path, tmp_path: Path, small_blocks: None) -> None:
    manifest = manifest_of(chats, tmp_path / "out", task="causal-lm")
    expected = [{"messages": turns(row)} for row in kept(manifest)]

    trl = export(manifest, tmp_path / "trl", form="trl")
    factory = export(manifest, tmp_path / "factory", form="llama-factory")

    assert [json.loads(line) for line in (trl / "train.jsonl").read_text().splitlines()] == expected
    assert json.loads((factory / "data.json").read_text()) == expected
    entry = json.loads((factory / "dataset_info.json").read_text())["retained"]
    assert (entry["file_name"], entry["formatting"], entry["columns"]) == (
        "data.json",
        "sharegpt",
        {"messages": "messages"},
    )


def test_an_answer_that_is_only_context_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    weighted = [{"role": "assistant", "content": "Hm.", "weight": 0}]
    said = [
        {"messages": [turns(row)[0], *weighted, *[{**turn, "weight": 1} for turn in turns(row)]]} for row in range(4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in said))
    manifest = manifest_of(path, tmp_path / "out", task="causal-lm")

    with pytest.raises(ExportUnsuited, match="has an answer that is not to be learned"):
        export(manifest, tmp_path / "trl", form="trl")
    assert not (tmp_path / "trl").exists()


# --- refused ----------------------------------------------------------------------------------------------------------

UNSUITED = {
    ("images", "jsonl"): "Column 'image' holds bytes",
    ("images", "csv"): "Column 'image' holds bytes",
    ("images", "trl"): "not of conversations",
    ("images", "ids"): "holds no ids",
    ("texts", "image-folder"): "not of images",
    ("texts", "llama-factory"): "not of conversations",
    ("chats", "csv"): "holds lists or records",
    ("chats", "label-studio"): "one image or one text",
    ("texts", "tfrecord"): "is none of parquet, jsonl",
}


@pytest.mark.parametrize(("data", "form"), UNSUITED)
def test_a_form_that_would_lose_something_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, data: str, form: str
) -> None:
    tasks = {"images": IMAGES, "texts": "text-classification", "chats": "causal-lm"}
    manifest = manifest_of(request.getfixturevalue(data), tmp_path / "out", task=tasks[data])

    with pytest.raises(ExportUnsuited, match=UNSUITED[data, form]):
        export(manifest, tmp_path / "export", form=form)

    assert not (tmp_path / "export").exists()


def test_nothing_is_overwritten(texts: Path, tmp_path: Path) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")

    with pytest.raises(ExportExists, match="out exists"):
        export(manifest, tmp_path / "out", form="jsonl")


def test_a_missing_package_is_named(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")
    monkeypatch.setattr(exporting, "FORMS", {"mds": ExportForm(guide="", package="no_such_package")})

    with pytest.raises(ExportPackageMissing, match="pip install no_such_package"):
        export(manifest, tmp_path / "export", form="mds")


def test_a_number_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, float("nan")] * 4, "label": [0, 1, 1, 0] * 2}), tmp_path / "data.parquet")
    manifest = manifest_of(tmp_path / "data.parquet", tmp_path / "out", task="tabular-classification", missing="impute")

    with pytest.raises(ExportUnsuited, match="what JSON cannot"):
        export(manifest, tmp_path / "export", form="jsonl")


def test_a_dataset_that_has_changed_is_refused_and_one_that_was_moved_is_not(texts: Path, tmp_path: Path) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")
    texts.rename(tmp_path / "moved.parquet")

    folder = export(manifest, tmp_path / "export", form="npy", dataset=str(tmp_path / "moved.parquet"))
    table = pq.read_table(tmp_path / "moved.parquet")
    pq.write_table(table.take([1, 0, *range(2, ROWS)]), tmp_path / "moved.parquet")

    assert (folder / "rows.npy").exists()
    with pytest.raises(ManifestMismatch, match="sha256:"):
        export(manifest, tmp_path / "again", form="npy", dataset=str(tmp_path / "moved.parquet"))


# --- interrupted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "hf", "webdataset", "parquet"])
def test_an_interrupted_export_resumes_and_ends_with_the_same_bytes(
    texts: Path, tmp_path: Path, form: str, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")
    whole = export(manifest, tmp_path / "whole", form=form)
    chosen, written = FORMS[form], []

    def write(folder: Path, block: Any, dataset: Any) -> None:
        assert chosen.write
        chosen.write(folder, block, dataset)
        written.append(block.number)
        if len(written) == 3:  # after it was written, and before it counts
            raise KeyboardInterrupt

    monkeypatch.setitem(FORMS, form, ExportForm(**{**vars(chosen), "write": write}))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        export(manifest, tmp_path / "export", form=form)
    assert not (tmp_path / "export").exists()

    resumed = export(manifest, tmp_path / "export", form=form)

    assert written[:4] == [0, 1, 2, 2]
    assert contents(resumed) == contents(whole)
    assert not (tmp_path / ".export.partial").exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_another_export_left_is_not_resumed(texts: Path, tmp_path: Path, small_blocks: None) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")
    left = tmp_path / ".export.partial"
    left.mkdir()
    (left / "export-progress.json").write_text('{"manifest": "another", "form": "jsonl", "rows": 3, "blocks": 1}')
    (left / "data.jsonl").write_text("{}\n")

    folder = export(manifest, tmp_path / "export", form="jsonl")

    assert len((folder / "data.jsonl").read_text().splitlines()) == ROWS // 2


# --- the card ---------------------------------------------------------------------------------------------------------


def test_the_card_says_where_the_rows_come_from_and_what_became_of_the_classes(texts: Path, tmp_path: Path) -> None:
    manifest = manifest_of(texts, tmp_path / "out", task="text-classification")
    facts = read_manifest(manifest)

    folder = export(manifest, tmp_path / "export", form="parquet")

    card = (folder / "README.md").read_text()
    labels: Sequence[str] = facts.table()["label"].to_pylist()
    cats, dogs = labels.count("cat"), labels.count("dog")
    assert f"| cat | 26 (65.0%) | {cats} ({cats / 20:.1%}) |" in card
    assert f"| dog | 14 (35.0%) | {dogs} ({dogs / 20:.1%}) |" in card
    for fact in (facts.metadata.dataset.fingerprint, facts.metadata.content_sha256, str(texts), "20 of 40 rows"):
        assert fact in card
    assert (folder / "manifest.parquet").read_bytes() == manifest.read_bytes()
