"""The retained rows of a dataset in memory are the manifest's rows, or refused: by their number, keys and labels.

On request each comes with its weight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from ted_client.subset import retained
from ted_core.errors import ManifestMismatch, WeightsUnknown
from ted_core.results.manifest import read_manifest
from ted_core.results.manifest_writer import write_manifest
from tests.reference.image_folder import ImageFolder
from tests.ted_core.datasets.files import IMAGES, image, parquet
from tests.ted_core.datasets.manifests import manifest_of
from tests.ted_core.results import version_1
from tests.ted_core.results.decided import KEPT, ROWS, decided, provenance

KEYS = [f"row-{row}" for row in range(ROWS)]
LABELS: Sequence[str | None] = ["cat", "dog", "cat", None, "dog", "cat", "dog", "cat"]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest of eight rows, four of them kept, whose keys are row-0 … row-7."""
    data = parquet(tmp_path / "data.parquet", x=[float(row) for row in range(ROWS)], label=[0, 1] * (ROWS // 2))
    return write_manifest(tmp_path, decided(), provenance=provenance(data)).manifest


@pytest.fixture
def weighted(tmp_path: Path) -> Path:
    """The same, but of rows that were drawn with known probabilities."""
    data = parquet(tmp_path / "data.parquet", x=[float(row) for row in range(ROWS)], label=[0, 1] * (ROWS // 2))
    probability = np.array([0.5, 0.8, 0.8, 0.4, 0.5, 0.5, 0.5, 0.2], np.float32)
    drawn = replace(decided(), inclusion_probability=probability)
    return write_manifest(tmp_path / "weighted", drawn, provenance=provenance(data)).manifest


@dataclass
class Rows:
    """A map-style dataset that says of its rows what it is told to."""

    attributes: dict[str, Any] = field(default_factory=dict)
    count: int = ROWS

    def __post_init__(self) -> None:
        vars(self).update(self.attributes)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


def swapped(values: Sequence[Any]) -> list[Any]:
    """The values with those of rows 2 and 5 in each other's place."""
    values = list(values)
    values[2], values[5] = values[5], values[2]
    return values


# --- rows -------------------------------------------------------------------------------------------------------------


def test_the_retained_rows_come_in_the_datasets_order(manifest: Path) -> None:
    assert list(retained(Rows(), manifest)) == list(KEPT)


def test_a_dataset_of_another_length_is_refused(manifest: Path) -> None:
    with pytest.raises(ManifestMismatch, match="The dataset has 9 rows, not 8"):
        retained(Rows(count=9), manifest)


def test_row_indices_index_arrays_and_tensors(manifest: Path) -> None:
    rows = read_manifest(manifest).row_indices

    assert rows.dtype == np.int64
    assert torch.arange(ROWS)[torch.from_numpy(rows)].tolist() == list(KEPT)
    assert np.arange(ROWS)[rows].tolist() == list(KEPT)
    assert datasets.Dataset.from_dict({"x": list(range(ROWS))}).select(rows)["x"] == list(KEPT)


def test_tensors_tell_nothing_of_their_rows(manifest: Path) -> None:
    assert len(retained(TensorDataset(torch.arange(ROWS)), manifest)) == len(KEPT)


# --- weights ----------------------------------------------------------------------------------------------------------

WEIGHTS = [0.5, 0.5, 1.0, 2.0]


def test_each_retained_row_comes_with_its_weight(weighted: Path) -> None:
    pairs = list(retained(Rows(), weighted, weights=True))

    assert [row for row, _ in pairs] == list(KEPT)
    assert [weight.item() for _, weight in pairs] == pytest.approx(WEIGHTS)


def test_batches_hold_weights_as_losses_are_held(weighted: Path) -> None:
    samples = TensorDataset(torch.arange(ROWS).float(), torch.arange(ROWS))

    (((inputs, labels), weights),) = DataLoader(retained(samples, weighted, weights=True), batch_size=4)

    assert (inputs.tolist(), labels.tolist()) == (list(KEPT), list(KEPT))
    assert (weights.dtype, weights.tolist()) == (torch.float32, pytest.approx(WEIGHTS))


def test_rows_of_a_hugging_face_dataset_stay_with_their_weights_when_they_are_shuffled(weighted: Path) -> None:
    rows = datasets.Dataset.from_dict({"sample_key": KEYS, "x": list(range(ROWS))}).with_format("torch")

    batches = list(DataLoader(retained(rows, weighted, weights=True), batch_size=2, shuffle=True))

    pairs = {int(x): float(w) for batch in batches for x, w in zip(batch["x"], batch["weight"], strict=True)}
    assert pairs == pytest.approx(dict(zip(KEPT, WEIGHTS, strict=True)))


def test_a_sampler_draws_retained_rows_as_often_as_they_weigh(weighted: Path) -> None:
    torch.manual_seed(0)
    subset, weights = retained(Rows(), weighted), read_manifest(weighted).weights

    drawn = list(DataLoader(subset, sampler=WeightedRandomSampler(weights.tolist(), 4000), batch_size=None))

    assert [drawn.count(row) / 1000 for row in KEPT] == pytest.approx(WEIGHTS, rel=0.15)


def test_weights_are_refused_where_they_would_be_one_for_want_of_knowledge(manifest: Path, weighted: Path) -> None:
    version_1.as_version_1(weighted, version_1.MANIFEST)

    for unknown in (manifest, weighted):
        assert len(retained(Rows(), unknown)) == len(KEPT)
        with pytest.raises(WeightsUnknown, match="does not say how likely its rows were to be kept"):
            retained(Rows(), unknown, weights=True)


def test_rows_in_another_order_are_refused_with_weights_too(weighted: Path) -> None:
    with pytest.raises(ManifestMismatch, match="Row 2"):
        retained(Rows(), weighted, keys=swapped(KEYS), weights=True)


# --- keys -------------------------------------------------------------------------------------------------------------

TELLING: dict[str, Callable[[Sequence[str]], Rows]] = {
    "attribute sample_keys": lambda keys: Rows({"sample_keys": keys}),
    "attribute keys": lambda keys: Rows({"keys": np.array(keys)}),
    "samples": lambda keys: Rows({"samples": [(f"/data/{key}", 0) for key in keys]}),
    "imgs": lambda keys: Rows({"imgs": [(Path("/data") / key, 0) for key in keys]}),
}


@pytest.mark.parametrize("telling", TELLING)
def test_a_dataset_that_tells_its_keys_in_another_order_is_refused(manifest: Path, telling: str) -> None:
    assert len(retained(TELLING[telling](KEYS), manifest)) == len(KEPT)

    with pytest.raises(ManifestMismatch, match=r"Row 2 of the dataset is .*row-5', in the manifest 'row-2'"):
        retained(TELLING[telling](swapped(KEYS)), manifest)


def test_keys_may_be_given(manifest: Path) -> None:
    assert len(retained(Rows(), manifest, keys=KEYS)) == len(KEPT)
    with pytest.raises(ManifestMismatch, match="Row 2"):
        retained(Rows(), manifest, keys=swapped(KEYS))
    with pytest.raises(ManifestMismatch, match="7 keys are given for the dataset's 8 rows"):
        retained(Rows(), manifest, keys=KEYS[:7])
    with pytest.raises(ManifestMismatch, match="has no column 'name'"):
        retained(Rows(), manifest, keys="name")


def test_keys_cannot_be_compared_with_a_manifest_that_has_none(tmp_path: Path) -> None:
    data = parquet(tmp_path / "data.parquet", x=[0.0, 1.0, 2.0, 3.0], label=[0, 1, 0, 1])
    manifest = manifest_of(data, tmp_path / "out")

    assert len(retained(Rows(count=4), manifest)) == 2
    with pytest.raises(ManifestMismatch, match="holds no keys"):
        retained(Rows(count=4), manifest, keys=["a", "b", "c", "d"])


@pytest.mark.parametrize("name", ["sample_key", "__key__", "uid", "id"])
def test_a_hugging_face_dataset_tells_its_keys_in_a_column(manifest: Path, name: str) -> None:
    def rows(keys: list[str]) -> datasets.Dataset:
        return datasets.Dataset.from_dict({name: keys, "x": list(range(ROWS))})

    assert [row["x"] for row in retained(rows(KEYS), manifest)] == list(KEPT)
    assert len(retained(rows(KEYS).with_transform(lambda batch: {"x": batch["x"]}), manifest)) == len(KEPT)
    with pytest.raises(ManifestMismatch, match="Row 2"):
        retained(rows(swapped(KEYS)), manifest)
    with pytest.raises(ManifestMismatch, match="Row 1 of the dataset is"):
        retained(rows(KEYS).select(range(ROWS - 1, -1, -1)), manifest)


def test_keys_in_another_column_are_named(manifest: Path) -> None:
    rows = datasets.Dataset.from_dict({"name": KEYS})

    assert len(retained(rows, manifest, keys="name")) == len(KEPT)
    with pytest.raises(ManifestMismatch, match="Row 2"):
        retained(rows.select(swapped(range(ROWS))), manifest, keys="name")


def test_other_ids_beside_the_keys_do_not_matter(manifest: Path) -> None:
    rows = datasets.Dataset.from_dict({"uid": KEYS, "id": list(range(ROWS))})

    assert len(retained(rows, manifest)) == len(KEPT)


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [list, np.array, torch.tensor])
def test_targets_of_other_classes_are_refused(manifest: Path, targets: Callable[[list[int]], Any]) -> None:
    codes = [int(label == "dog") for label in LABELS]
    named = {"classes": ["cat", "dog"]}

    assert len(retained(Rows({"targets": targets(codes), **named}), manifest)) == len(KEPT)
    with pytest.raises(ManifestMismatch, match="Row 2 of the dataset is of class 1 or dog, in the manifest of cat"):
        retained(Rows({"targets": targets([*codes[:2], 1, *codes[3:]]), **named}), manifest)


def test_targets_that_go_by_other_names_are_not_compared(manifest: Path) -> None:
    assert len(retained(Rows({"targets": list(range(ROWS))}), manifest)) == len(KEPT)
    assert len(retained(Rows({"targets": [[0, 1]] * ROWS}), manifest)) == len(KEPT)


def test_a_hugging_face_dataset_tells_its_classes(manifest: Path) -> None:
    def rows(labels: Sequence[str | None]) -> datasets.Dataset:
        names = datasets.ClassLabel(names=["cat", "dog"])
        table = pa.table({"label": [0 if label is None else names.str2int(label) for label in labels]})
        return datasets.Dataset(table).cast_column("label", names)

    assert len(retained(rows(LABELS), manifest)) == len(KEPT)
    with pytest.raises(ManifestMismatch, match="Row 1 of the dataset is of class 0 or cat, in the manifest of dog"):
        retained(rows(["cat", "cat", "dog", *LABELS[3:]]), manifest)


# --- image folders ----------------------------------------------------------------------------------------------------


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    for name in ("Apple", "Pear", "Pear 2"):
        (tmp_path / "fruit" / name / "deep").mkdir(parents=True)
        for number in range(4):
            (tmp_path / "fruit" / name / f"{number}.png").write_bytes(image(number))
            (tmp_path / "fruit" / name / "deep" / f"{number}.png").write_bytes(image(10 + number))
    return tmp_path / "fruit"


def test_an_image_folder_is_the_manifests(fruit: Path, tmp_path: Path) -> None:
    manifest = manifest_of(fruit, tmp_path / "out", task=IMAGES)

    subset = retained(ImageFolder(fruit), manifest)

    table = read_manifest(manifest).table()
    pictures = [(fruit / key).read_bytes() for key in table["sample_key"].to_pylist()]
    assert [picture for picture, _ in subset] == pictures
    assert [ImageFolder(fruit).classes[code] for _, code in subset] == table["label"].to_pylist()


def test_an_image_folder_in_another_order_is_refused(fruit: Path, tmp_path: Path) -> None:
    manifest, folder = manifest_of(fruit, tmp_path / "out", task=IMAGES), ImageFolder(fruit)
    folder.samples.sort()

    with pytest.raises(ManifestMismatch, match="is it read in another order"):
        retained(folder, manifest)


def test_an_image_folder_that_leaves_files_out_is_refused_with_one_of_them(fruit: Path, tmp_path: Path) -> None:
    for path in list(fruit.rglob("*.png")):
        if path.parent.name == "Apple":
            path.rename(path.with_suffix(".jfif"))
    manifest = manifest_of(fruit, tmp_path / "out", task=IMAGES)

    with pytest.raises(ManifestMismatch, match=r"has 20 rows, not 24; Apple/\d.jfif is not among its files"):
        retained(ImageFolder(fruit), manifest)
