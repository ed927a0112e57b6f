"""A folder with one folder of images per class."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets import DatasetIdentity, DatasetSummary, Limits, Samples, identify
from ted_core.datasets.formats.image_folder import row_order
from ted_core.errors import (
    DatasetNotAllowed,
    DatasetUnreadable,
    SingleClass,
    SplitsMixed,
    TedError,
    UndecodableImages,
    UnknownColumn,
    UnknownSplit,
    UnusableInputs,
)
from tests.reference.image_folder import ImageFolder
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import IMAGES, image, spec

CHOICES = {"format": "image-folder", "task": IMAGES}


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cats and three dogs, one of them deeper than the others."""
    path = tmp_path / "pets"
    for value, name in enumerate(("cat/0.png", "cat/1.png", "dog/0.png", "dog/z.png", "dog/old/1.png")):
        put(path, name, image(10 * value))
    return path


def loaded(folder: Path, **choices: Any) -> Samples:
    return files.loaded(folder, **CHOICES | choices)


def inspected(folder: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(folder, **CHOICES | choices)


def identified(folder: Path) -> DatasetIdentity:
    return identify(spec(folder, **CHOICES), roots=[folder.parent])


def refused(error: type[TedError], folder: Path, **choices: Any) -> TedError:
    return files.refused(error, folder, **CHOICES | choices)


def refused_on_sight(error: type[TedError], folder: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, folder, **CHOICES | choices)


def values(samples: Samples) -> list[int]:
    """The brightness of each image."""
    return [int(pixels.mean().round()) for pixels in samples.inputs]


# --- shape ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "size"), [("RGB", (7, 5)), ("L", (7, 5)), ("1", (1, 1)), ("CMYK", (3, 3))])
def test_the_first_image_shows_the_shape_of_all_but_for_colours(folder: Path, mode: str, size: tuple[int, int]) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    put(folder, "cat/0.png", image(size=size, mode=mode, kind=kind))

    assert inspected(folder).input_shape == (3 if mode in ("RGB", "CMYK") else 1, *size[::-1])
    assert inspected(folder, colour=True).input_shape == loaded(folder).input_shape == (3, *size[::-1])
    assert inspected(folder, colour=False).input_shape == loaded(folder, colour=False).input_shape == (1, *size[::-1])


def test_an_image_size_is_the_shape(folder: Path) -> None:
    assert inspected(folder, image_size=16).input_shape == (1, 16, 16)
    assert inspected(folder, image_size=16, colour=True).input_shape == (3, 16, 16)


@pytest.mark.parametrize("content", [b"", image()[:40], bytes((16 << 20) + 1)])
def test_a_first_image_that_cannot_be_decoded_shows_no_shape(folder: Path, content: bytes) -> None:
    put(folder, "cat/0.png", content)

    assert inspected(folder).input_shape is None


# --- rows -------------------------------------------------------------------------------------------------------------


def test_classes_are_folders_and_keys_are_paths(folder: Path) -> None:
    samples = loaded(folder)

    assert values(samples) == [0, 10, 20, 30, 40]
    assert (samples.labels.tolist(), samples.classes) == ([0, 0, 1, 1, 1], ("cat", "dog"))
    assert samples.sample_key.to_pylist() == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/z.png", "dog/old/1.png"]
    assert (samples.rows, samples.row_index.tolist(), samples.input_shape) == (5, [0, 1, 2, 3, 4], (3, 8, 8))


def test_inspection_counts_images_and_opens_none(folder: Path) -> None:
    put(folder, "cat/broken.jpg", b"no image")

    summary = inspected(folder)

    assert (summary.rows, summary.columns) == (6, ("image", "label", "sample_key"))


TREES = [
    ("Apple/0", "Pear/0", "Pear/1", "Pear 2/0", "Pear 2/1"),
    ("Grape/0", "Grape/9", "Grape-White/0", "Grape/old/3", "Grape/old-er/4", "Grape/old"),
    ("a/z", "a/b/y", "a/b c/x", "a/b/d/w", "a/a", "a!/1", "B/10", "B/9", "a-b/x", "é/0", "e\u0301/0", "a/é", "a/Z"),
    ("10/a", "9/a", "9/0/a", "9/00/a", "9/0-1/a", "_/1", "~/2", "😀/1", "\uffee/1"),
    ("x/1/2/3/4/5", "x/1/2/3/4", "x/1/2/3", "x/1/2", "x/1", "y/0"),
]


@pytest.mark.parametrize("names", TREES)
def test_rows_are_in_the_order_of_torchvisions_image_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        put(tmp_path / "data", f"{name}.png", image())

    samples = loaded(tmp_path / "data")

    oracle = ImageFolder(tmp_path / "data")
    assert [str(tmp_path / "data" / key) for key in samples.sample_key.to_pylist()] == [path for path, _ in oracle.imgs]
    assert [samples.classes[code] for code in samples.labels] == [oracle.classes[code] for code in oracle.targets]


PARTS = st.text(st.sampled_from("ab -/A_é!."), min_size=1, max_size=6)


@given(st.sets(PARTS, min_size=1, max_size=30))
def test_paths_are_ordered_as_walked_whatever_they_are_called(names: set[str]) -> None:
    paths = [f"{name.strip('/').replace('//', '/').replace('//', '/')}/0.png".lstrip("/") for name in names]

    def walked(path: str) -> tuple[str, str, str]:
        folder, _, file = path.rpartition("/")
        return folder.partition("/")[0], folder, file

    assert sorted(paths, key=row_order) == sorted(paths, key=walked)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_images_of_many_kinds_are_found_whatever_the_case_of_their_suffix(folder: Path, kind: str) -> None:
    put(folder, f"cat/2.{kind.lower()}", image(200, kind=kind))
    put(folder, f"cat/3.{kind}", image(200, kind=kind))

    assert values(loaded(folder))[2:4] == pytest.approx([200, 200], abs=3)


def test_jpeg_png_and_webp_grey_and_colour_of_any_size_may_be_mixed(tmp_path: Path) -> None:
    put(tmp_path / "data", "a/0.jpg", image(70, kind="JPEG", size=(300, 200)))
    put(tmp_path / "data", "a/1.png", image(70, mode="L", size=(8, 90)))
    put(tmp_path / "data", "b/2.webp", image(70, kind="WEBP", size=(5, 5)))
    put(tmp_path / "data", "b/3.jpeg", image(70, kind="JPEG", mode="L"))

    samples = loaded(tmp_path / "data", image_size=32)

    assert samples.inputs.shape == (4, 3, 32, 32)
    np.testing.assert_allclose(samples.inputs, 70, atol=2)


def test_hidden_files_and_what_is_no_image_are_passed_over(folder: Path) -> None:
    for name in ("README.md", ".DS_Store", "cat/Thumbs.db", "cat/._0.png", "cat/.cache/0.png", ".git/0.png"):
        put(folder, name, b"no image")
    (folder / "empty").mkdir()

    assert loaded(folder).rows == 5
    assert loaded(folder).classes == ("cat", "dog")


def test_more_images_than_a_batch_holds_stay_in_order(tmp_path: Path) -> None:
    for row in range(600):
        put(tmp_path / "data", f"{row // 200}/{row:03}.png", image(row % 251, size=(2, 2)))

    samples = loaded(tmp_path / "data", limits=Limits(threads=3))

    assert values(samples) == [row % 251 for row in range(600)]
    assert samples.labels.tolist() == [row // 200 for row in range(600)]


def test_broken_images_are_tolerated_up_to_a_share(folder: Path) -> None:
    put(folder, "cat/1.png", b"no image")

    samples = loaded(folder, limits=Limits(max_undecodable=0.2))

    assert (samples.row_index.tolist(), values(samples)) == ([0, 2, 3, 4], [0, 20, 30, 40])
    assert len(samples.sample_key) == samples.rows == 5
    error = refused(UndecodableImages, folder, limits=Limits(max_undecodable=0.1))
    assert error.fact == "1 of 5 images, first rows: 1 (cat/1.png)"


# --- folders that are laid out otherwise ------------------------------------------------------------------------------


def test_an_empty_folder_is_refused_with_what_it_should_hold(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data")

    assert error.field == "dataset.uri"
    assert "should hold one folder per class, with the images of that class in it" in error.fact


def test_a_folder_of_images_without_classes_is_refused_with_what_it_should_hold(tmp_path: Path) -> None:
    put(tmp_path / "data", "0.png", image())

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data")

    assert error.fact.startswith("0.png lies in ")
    assert "should hold one folder per class" in error.fact


def test_an_image_beside_the_classes_is_refused(folder: Path) -> None:
    put(folder, "overview.jpg", image(kind="JPEG"))

    assert refused_on_sight(DatasetUnreadable, folder).fact.startswith("overview.jpg lies in ")


def test_a_file_is_no_folder(folder: Path) -> None:
    assert refused_on_sight(DatasetUnreadable, folder / "cat" / "0.png").field == "dataset.uri"


@pytest.mark.parametrize(
    "names", [("train", "test"), ("Training", "Testing"), ("TRAIN", "VAL", "Test"), ("Train_Set", "test images", "dev")]
)
def test_splits_are_no_classes_however_they_are_spelled(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        for picture in ("cat/0.png", "dog/1.png"):
            put(tmp_path / "data", f"{name}/{picture}", image())

    error = refused_on_sight(SplitsMixed, tmp_path / "data")

    assert all(name in error.fact for name in names)
    assert f"set dataset.split to {names[0]}" in error.fact
    assert loaded(tmp_path / "data" / names[0]).classes == ("cat", "dog")


def test_splits_beside_other_folders_are_no_classes_either(tmp_path: Path) -> None:
    for name in ("Train/cat/0.png", "Test/1.png", "Meta/2.png"):
        put(tmp_path / "data", name, image())

    assert "holds Meta, Test, Train, which are no classes" in refused_on_sight(SplitsMixed, tmp_path / "data").fact


def test_parts_of_names_tell_splits_only_where_classes_lie_in_them(tmp_path: Path) -> None:
    for name in ("seg_train/sea/0.png", "seg_train/hill/0.png", "seg_test/sea/0.png"):
        put(tmp_path / "data", name, image())
    for name in ("test tube/0.png", "train station/0.png"):
        put(tmp_path / "things", name, image())

    assert "set dataset.split to seg_train" in refused_on_sight(SplitsMixed, tmp_path / "data").fact
    assert loaded(tmp_path / "data", split="seg_train").classes == ("hill", "sea")
    assert loaded(tmp_path / "things").classes == ("test tube", "train station")


def test_a_train_among_vehicles_is_a_class(tmp_path: Path) -> None:
    for name in ("bus", "car", "train"):
        put(tmp_path / "data", f"{name}/0.png", image())

    assert loaded(tmp_path / "data").classes == ("bus", "car", "train")


def test_splits_a_level_down_are_found_and_can_be_chosen(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat/0.png", "dog/0.png", f"dog/{split}.png"):
            put(tmp_path / "root", f"data/{split}/{name}", image())

    error = refused_on_sight(SplitsMixed, tmp_path / "root")

    assert "root/data holds test, train, which are splits" in error.fact
    assert loaded(tmp_path / "root", split="test").sample_key.to_pylist() == ["cat/0.png", "dog/0.png", "dog/test.png"]


def test_splits_in_every_class_are_found_and_can_be_chosen(tmp_path: Path) -> None:
    for name in ("cat/train/0.png", "cat/test/1.png", "dog/train/deep/0.png", "dog/test/1.png"):
        put(tmp_path / "data", name, image())

    error = refused_on_sight(SplitsMixed, tmp_path / "data")

    assert "Every class of " in error.fact
    samples = loaded(tmp_path / "data", split="Train")
    assert samples.sample_key.to_pylist() == ["cat/train/0.png", "dog/train/deep/0.png"]
    assert samples.classes == ("cat", "dog")


def test_a_split_is_the_folder_itself(tmp_path: Path) -> None:
    for name in ("Training/cat/0.png", "Training/dog/1.png", "Testing/cat/2.png", "Testing/dog/2.png"):
        put(tmp_path / "data", name, image(len(name)))

    for split in ("Training", "training", "train"):
        chosen = identify(spec(tmp_path / "data", **CHOICES, split=split), roots=[tmp_path])
        assert chosen.fingerprint == identified(tmp_path / "data" / "Training").fingerprint


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, folder: Path) -> None:
    for name in ("Training/cat/0.png", "Testing/cat/2.png"):
        put(tmp_path / "data", name, image())

    error = refused_on_sight(UnknownSplit, tmp_path / "data", split="validation")

    assert (error.field, error.fact.endswith("no split 'validation', only Testing, Training")) == (
        "dataset.split",
        True,
    )
    assert "no other" in refused_on_sight(UnknownSplit, folder, split="train").fact


def test_a_split_is_no_link_to_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    put(outside, "cat/0.png", image())
    (folder / "train").symlink_to(outside, target_is_directory=True)

    with pytest.raises((UnknownSplit, DatasetUnreadable)):
        loaded(folder, split="train")


# --- files passed over ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPG", "JFIF"])
def test_jpeg_is_read_by_whatever_suffix_it_has(folder: Path, suffix: str) -> None:
    put(folder, f"cat/2.{suffix}", image(200, kind="JPEG"))

    assert values(loaded(folder))[2] == pytest.approx(200, abs=3)


def test_images_that_cannot_be_read_are_counted_and_warned_about(folder: Path) -> None:
    for name in (
        "cat/9.heic",
        "dog/8.HEIC",
        "dog/old/7.svg",
        "dog/without_suffix",
        "labels.csv",
        "README",
        "dog/a.txt",
    ):
        put(folder, name, b"")

    summary = inspected(folder)

    (warning,) = summary.warnings
    assert (warning.code, warning.field) == ("files_passed_over", "dataset.uri")
    assert warning.message.startswith(f"4 of what lies in {folder} is not read: ")
    assert all(name in warning.message for name in ("cat/9.heic", "dog/8.HEIC", "dog/old/7.svg", "dog/without_suffix"))
    assert summary.understood.passed_over_count == 7
    assert loaded(folder).warnings == summary.warnings


def test_of_many_files_passed_over_the_first_hundred_are_named(folder: Path) -> None:
    for number in range(150):
        put(folder, f"cat/{number}.xml", b"")

    understood = inspected(folder).understood

    assert (len(understood.passed_over), understood.passed_over_count) == (100, 150)
    assert inspected(folder).warnings == ()


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    put(tmp_path / "data", "cat/0.png", image())

    assert refused_on_sight(SingleClass, tmp_path / "data").field == "dataset.target"


def test_a_single_folder_of_folders_is_refused_with_where_the_classes_may_lie(folder: Path) -> None:
    folder.parent.joinpath("all").mkdir()
    folder.rename(folder.parent / "all" / "pets")

    error = refused_on_sight(SingleClass, folder.parent / "all")

    assert "holds one class, pets; if its folders cat, dog are the classes, name" in error.fact
    assert loaded(folder.parent / "all" / "pets").rows == 5


def test_images_are_no_table(folder: Path) -> None:
    assert refused_on_sight(UnusableInputs, folder, task=files.TABLE, input="image").field == "dataset.input"
    assert refused_on_sight(UnknownColumn, folder, input="pixels").field == "dataset.input"


def test_a_file_too_large_to_be_an_image_is_refused(folder: Path) -> None:
    with (folder / "cat" / "1.png").open("wb") as file:
        file.truncate((256 << 20) + 1)

    assert refused(DatasetUnreadable, folder).fact == "cat/1.png takes 268,435,457 bytes, more than 268,435,456"


def test_a_name_that_is_not_utf_8_is_refused(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/cat/\xff.png")).write_bytes(image())

    assert refused_on_sight(DatasetUnreadable, folder).fact == r"'cat/\udcff.png' is no name in UTF-8; rename it"


@pytest.mark.timeout(20)
def test_a_pipe_among_the_images_is_refused_instead_of_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "cat" / "2.png")

    assert "cat/2.png is no regular file" in refused_on_sight(DatasetUnreadable, folder).fact


# --- links ------------------------------------------------------------------------------------------------------------


def test_images_may_be_links_that_stay_under_the_roots(folder: Path) -> None:
    elsewhere = put(folder.parent, "elsewhere/9.png", image(90))
    (folder / "cat" / "9.png").symlink_to(elsewhere)

    samples = loaded(folder)

    assert values(samples)[2] == 90
    assert samples.sample_key[2].as_py() == "cat/9.png"


def test_an_image_that_is_a_link_to_the_outside_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = put(tmp_path_factory.mktemp("outside"), "secret.png", image())
    (folder / "cat" / "9.png").symlink_to(secret)

    assert refused_on_sight(DatasetNotAllowed, folder).field == "dataset.uri"
    with pytest.raises(DatasetNotAllowed):
        identified(folder)


def test_a_link_that_leads_nowhere_is_refused(folder: Path) -> None:
    (folder / "cat" / "9.png").symlink_to(folder / "missing.png")

    assert "cat/9.png is no regular file" in refused_on_sight(DatasetUnreadable, folder).fact


@pytest.mark.parametrize("target", ["..", "/", "dog"])
def test_a_link_to_a_folder_is_not_followed(folder: Path, target: str) -> None:
    (folder / "fox").symlink_to(folder / target, target_is_directory=True)

    assert "is a link to a folder" in refused_on_sight(DatasetUnreadable, folder).fact


# --- identity ---------------------------------------------------------------------------------------------------------


def test_the_folder_is_one_shard(folder: Path) -> None:
    dataset = identified(folder)

    contents = [path.read_bytes() for path in folder.rglob("*.png")]
    assert [(shard.name, shard.rows, shard.bytes) for shard in dataset.shards] == [("pets", 5, sum(map(len, contents)))]
    assert dataset.rows == 5


def test_the_shards_digest_can_be_computed_by_hand(folder: Path) -> None:
    names = ["cat/0.png", "cat/1.png", "dog/0.png", "dog/z.png", "dog/old/1.png"]

    lines = [json.dumps([name, hashlib.sha256((folder / name).read_bytes()).hexdigest()]) + "\n" for name in names]

    assert identified(folder).shards[0].sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_a_folder_that_was_moved_and_renamed_is_the_same(folder: Path, tmp_path: Path) -> None:
    before = identified(folder).fingerprint

    assert identified(folder.rename(tmp_path / "animals")).fingerprint == before


def test_a_renamed_class_a_moved_image_and_a_changed_byte_make_another_dataset(folder: Path) -> None:
    fingerprints, guards = {identified(folder).fingerprint}, {inspected(folder).change_token}

    for change in (
        lambda: (folder / "cat").rename(folder / "fox"),
        lambda: (folder / "fox" / "0.png").rename(folder / "dog" / "3.png"),
        lambda: put(folder, "dog/z.png", image(41)),
        lambda: put(folder, "dog/further.png", image(50)),
    ):
        change()
        fingerprints.add(identified(folder).fingerprint)
        guards.add(inspected(folder).change_token)

    assert len(fingerprints) == len(guards) == 5


def test_what_is_no_image_does_not_change_the_dataset(folder: Path) -> None:
    before = identified(folder), inspected(folder).change_token

    put(folder, "cat/Thumbs.db", b"small pictures")

    assert (identified(folder), inspected(folder).change_token) == before
