"""WebDataset: samples in tar archives, told apart by the names of their files."""

import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import DatasetSummary, Limits, Samples, Texts
from ted_core.errors import (
    DatasetEmpty,
    DatasetNotFound,
    DatasetUnreadable,
    MissingValues,
    TedError,
    UndecodableImages,
    UnusableLabels,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import IMAGES, image
from tests.ted_core.datasets.formats.test_tar import archive

TEXTS = "text-classification"
Files = Iterable[tuple[str, bytes]]


def sample(key: str, value: int, label: str, **look: Any) -> list[tuple[str, bytes]]:
    """The files of one sample: an image of one brightness, and its class."""
    suffix = look.get("kind", "PNG").lower()
    return [(f"{key}.{suffix}", image(value, **look)), (f"{key}.cls", f"{label}\n".encode())]


def several(*samples: Files) -> list[tuple[str, bytes]]:
    return [file for files in samples for file in files]


CATS_AND_DOGS = several(sample("0", 10, "cat"), sample("1", 20, "dog"), sample("2", 30, "cat"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shard-0.tar"


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"format": "webdataset", "task": IMAGES} | choices)


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(path, **{"format": "webdataset", "task": IMAGES} | choices)


def refused(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused(error, path, **{"format": "webdataset", "task": IMAGES} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"format": "webdataset", "task": IMAGES} | choices)


def values(samples: Samples) -> list[int]:
    """The brightness of each image."""
    return [int(pixels.mean().round()) for pixels in samples.inputs]


# --- archives ---------------------------------------------------------------------------------------------------------


def test_images_labels_and_keys_are_read(path: Path) -> None:
    samples = loaded(archive(path, CATS_AND_DOGS))

    assert values(samples) == [10, 20, 30]
    assert (samples.labels.tolist(), samples.classes) == ([0, 1, 0], ("cat", "dog"))
    assert samples.sample_key.to_pylist() == ["0", "1", "2"]
    assert (samples.rows, samples.row_index.tolist()) == (3, [0, 1, 2])


def test_headers_tell_rows_and_columns(path: Path) -> None:
    summary = inspected(archive(path, CATS_AND_DOGS))

    assert (summary.rows, summary.columns) == (3, ("image", "label", "sample_key"))


def test_the_first_image_shows_the_shape_of_all(path: Path) -> None:
    archive(path, several(sample("0", 10, "cat", size=(7, 5), mode="L"), sample("1", 20, "dog", mode="L")))

    assert inspected(path).input_shape == loaded(path).input_shape == (1, 5, 7)


def test_a_folder_of_archives_gzipped_or_not_is_read_in_name_order(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    archive(folder / "b.tar.gz", several(sample("3", 30, "x"), sample("4", 40, "y")))
    archive(folder / "a.tar", several(sample("1", 10, "y"), sample("2", 20, "x")))
    archive(folder / "c.tar", several(sample("5", 50, "x")))
    (folder / "README.md").write_text("about the shards")

    samples = loaded(folder)

    assert values(samples) == [10, 20, 30, 40, 50]
    assert inspected(folder).rows == 5


def test_an_archive_is_gzipped_where_it_begins_so_whatever_it_is_called(tmp_path: Path) -> None:
    archive(tmp_path / "a.tar.gz", CATS_AND_DOGS).rename(tmp_path / "blob")
    (tmp_path / "shard.tar").symlink_to(tmp_path / "blob")

    assert values(loaded(tmp_path / "shard.tar")) == [10, 20, 30]


def test_classes_that_are_whole_numbers_are_sorted_by_value(path: Path) -> None:
    samples = loaded(archive(path, several(*(sample(label, 10, label) for label in ("10", "2", "-1", "9")))))

    assert samples.classes == ("-1", "2", "9", "10")
    assert samples.labels.tolist() == [3, 1, 0, 2]


def test_classes_of_which_some_are_words_are_sorted_as_words(path: Path) -> None:
    samples = loaded(archive(path, several(*(sample(label, 10, label) for label in ("10", "2", "x")))))

    assert samples.classes == ("10", "2", "x")


def test_a_pattern_names_some_of_a_folders_archives(tmp_path: Path) -> None:
    for split, value in (("train-0", 10), ("train-1", 20), ("val-0", 90)):
        archive(tmp_path / f"{split}.tar", several(sample(f"{split}-a", value, "a"), sample(f"{split}-b", value, "b")))

    assert values(loaded(tmp_path / "train-*.tar")) == [10, 10, 20, 20]
    assert refused_on_sight(DatasetNotFound, tmp_path / "test-*.tar").field == "dataset.uri"


def test_more_samples_than_a_batch_holds_stay_in_order(path: Path) -> None:
    many = [sample(f"{row:04}", row % 251, str(row % 3), kind="JPEG") for row in range(600)]

    samples = loaded(archive(path, several(*many)), limits=Limits(threads=3))

    np.testing.assert_allclose(values(samples), [row % 251 for row in range(600)], atol=1)
    assert samples.labels.tolist() == [row % 3 for row in range(600)]


def test_a_folder_without_archives_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()

    assert "*.tar" in refused_on_sight(DatasetUnreadable, tmp_path / "shards").fact


def test_an_archive_without_samples_is_an_empty_dataset(path: Path) -> None:
    assert refused_on_sight(DatasetEmpty, archive(path, [])).field == "dataset.uri"


def test_an_archive_with_a_truncated_end_is_refused_on_sight(path: Path) -> None:
    whole = archive(path, CATS_AND_DOGS).read_bytes()
    path.write_bytes(whole[: whole.index(b"dog") + 100])

    error = refused_on_sight(DatasetUnreadable, path)

    assert error.field == "dataset.uri"
    assert error.fact.startswith("shard-0.tar cannot be read after '1.cls'")


# --- samples ----------------------------------------------------------------------------------------------------------


def test_a_key_is_the_path_up_to_the_names_first_dot(path: Path) -> None:
    archive(path, several(sample("v1.0/a", 10, "x"), sample("v1.0/b", 20, "y"), [("v1.0/b.seg.png", b"mask")]))

    samples = loaded(path)

    assert samples.sample_key.to_pylist() == ["v1.0/a", "v1.0/b"]
    assert values(samples) == [10, 20]


def test_suffixes_may_be_in_capitals(path: Path) -> None:
    archive(path, [("0.PNG", image(10)), ("0.CLS", b"a"), *sample("1", 20, "b")])

    assert values(loaded(path)) == [10, 20]


def test_hidden_files_and_files_without_a_suffix_are_passed_over(path: Path) -> None:
    archive(path, [("README", b"about"), ("._0.png", b"of an archiver"), *CATS_AND_DOGS, ("folder/.hidden.cls", b"x")])

    assert inspected(path).rows == 3


def test_jpeg_png_and_webp_grey_and_colour_of_any_size_may_be_mixed(path: Path) -> None:
    looks = [("JPEG", "RGB", (8, 8)), ("JPG", "L", (16, 9)), ("PNG", "L", (4, 4)), ("WEBP", "RGB", (30, 20))]
    archive(
        path,
        several(
            *(
                [
                    (f"{row}.{kind.lower()}", image(40, mode=mode, size=size, kind=kind.replace("JPG", "JPEG"))),
                    (f"{row}.cls", str(row % 2).encode()),
                ]
                for row, (kind, mode, size) in enumerate(looks)
            )
        ),
    )

    samples = loaded(path, image_size=10)

    assert samples.input_shape == (3, 10, 10)
    np.testing.assert_allclose(samples.inputs, 40, atol=2)


def test_of_several_images_a_jpeg_is_preferred(path: Path) -> None:
    archive(path, [("0.png", image(10)), ("0.jpg", image(90, kind="JPEG")), ("0.cls", b"a"), *sample("1", 20, "b")])

    assert values(loaded(path)) == [90, 20]


def test_keys_that_do_not_tell_samples_apart_are_no_keys(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(2):
        archive(folder / f"{number}.tar", CATS_AND_DOGS)

    samples = loaded(folder)

    assert (len(samples), samples.sample_key) == (6, None)


def test_files_of_one_sample_that_share_a_suffix_are_refused(path: Path) -> None:
    error = refused_on_sight(DatasetUnreadable, archive(path, [*sample("0", 10, "x"), ("0.png", image(20))]))

    assert error.fact == "shard-0.tar holds 0.png twice in a sample"


def test_a_sample_whose_files_lie_apart_is_incomplete(path: Path) -> None:
    archive(path, [("0.png", image()), ("1.png", image()), ("0.cls", b"x"), ("1.cls", b"y")])

    error = refused_on_sight(MissingValues, path)

    assert (error.fact, error.field) == ("shard-0.tar holds no 0.cls or 0.json", "dataset.target")


def test_a_sample_without_a_label_is_refused_on_sight(path: Path) -> None:
    error = refused_on_sight(MissingValues, archive(path, [*CATS_AND_DOGS, ("3.png", image())]))

    assert (error.fact, error.field) == ("shard-0.tar holds no 3.cls or 3.json", "dataset.target")


def test_a_sample_without_an_image_is_refused_on_sight(path: Path) -> None:
    error = refused_on_sight(MissingValues, archive(path, [*CATS_AND_DOGS, ("3.cls", b"cat")]))

    assert error.fact == "shard-0.tar holds no 3.jpg or 3.jpeg or 3.png or 3.webp"
    assert error.field == "dataset.input"


def test_broken_images_are_tolerated_up_to_a_share(path: Path) -> None:
    broken = [("3.png", b"no image"), ("3.cls", b"cat")]
    archive(path, [*CATS_AND_DOGS, *broken])

    assert loaded(path, limits=Limits(max_undecodable=0.25)).row_index.tolist() == [0, 1, 2]
    error = refused(UndecodableImages, path, limits=Limits(max_undecodable=0.2))
    assert error.fact == "1 of 4 images, first rows: 3 (3)"


# --- labels -----------------------------------------------------------------------------------------------------------


def labelled(path: Path, *labels: tuple[str, bytes]) -> Path:
    """An archive whose samples differ in the file that holds the label."""
    return archive(
        path,
        several(*([(f"{row}.png", image()), (f"{row}.{suffix}", text)] for row, (suffix, text) in enumerate(labels))),
    )


def test_labels_may_be_text_or_lie_in_json(path: Path) -> None:
    contents = [{"label": "dog"}, {"target": "dog", "width": 3}, {"target": 1, "label": "cat"}, {"label": 7}]
    labels = [("json", json.dumps(content).encode()) for content in contents]

    samples = loaded(labelled(path, ("cls", b" cat\n"), *labels))

    assert [samples.classes[code] for code in samples.labels] == ["cat", "dog", "dog", "cat", "7"]


def test_beside_a_text_the_json_is_not_asked(path: Path) -> None:
    archive(path, [("0.json", b'{"label": "x"}'), *sample("0", 1, "a"), *sample("1", 2, "b")])

    assert loaded(path).classes == ("a", "b")


@pytest.mark.parametrize(
    ("suffix", "text", "error"),
    [
        ("cls", b" \n", MissingValues),
        ("json", b"{}", MissingValues),
        ("json", b"[1]", MissingValues),
        ("json", b'{"label": null}', MissingValues),
        ("json", b'{"label": ""}', MissingValues),
        ("json", b'{"label": 1.5}', UnusableLabels),
        ("json", b'{"label": ["cat"]}', UnusableLabels),
        ("json", rb'{"label": "\ud800"}', UnusableLabels),
        ("json", b"{", DatasetUnreadable),
        ("json", b"[" * 100_000, DatasetUnreadable),
        ("cls", b"\xff", DatasetUnreadable),
        ("json", b"\xff", DatasetUnreadable),
    ],
)
def test_a_label_that_cannot_be_read_is_refused_by_file(
    path: Path, suffix: str, text: bytes, error: type[TedError]
) -> None:
    refusal = refused(error, labelled(path, ("cls", b"cat"), (suffix, text)))

    assert f"1.{suffix} in shard-0.tar" in refusal.fact


# --- texts ------------------------------------------------------------------------------------------------------------


def test_texts_are_read_where_texts_are_classified(path: Path) -> None:
    archive(path, [("0.txt", "größer\n".encode()), ("0.cls", b"a"), ("1.txt", b""), ("1.json", b'{"label": "b"}')])

    samples = loaded(path, task=TEXTS)

    assert isinstance(samples.inputs, Texts)
    assert samples.inputs.parts[0].to_pylist() == ["größer\n", ""]
    assert samples.classes == ("a", "b")
    assert inspected(path, task=TEXTS).columns == ("text", "label", "sample_key")


def test_a_text_that_is_not_utf_8_is_refused_by_file(path: Path) -> None:
    archive(path, [("0.txt", b"\xff"), ("0.cls", b"a"), ("1.txt", b""), ("1.cls", b"b")])

    assert refused(DatasetUnreadable, path, task=TEXTS).fact.startswith("0.txt in shard-0.tar is not UTF-8")


def test_images_are_no_texts(path: Path) -> None:
    error = refused_on_sight(MissingValues, archive(path, CATS_AND_DOGS), task=TEXTS)

    assert error.fact == "shard-0.tar holds no 0.txt"


def test_archives_with_folders_in_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name, content in CATS_AND_DOGS:
        (tmp_path / "train" / name).write_bytes(content)
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        for name in ["train", *(f"train/{name}" for name, _ in CATS_AND_DOGS)]:
            packed.add(tmp_path / name, name, recursive=False)

    assert loaded(tmp_path / "a.tar").sample_key.to_pylist() == ["train/0", "train/1", "train/2"]


# --- files passed over ------------------------------------------------------------------------------------------------


def test_files_of_samples_that_are_not_read_are_counted_by_their_suffixes(path: Path) -> None:
    extra = [(f"{row}.{suffix}", b"{}") for row in range(2) for suffix in ("json", "txt")]
    archive(path, sorted([*CATS_AND_DOGS, *extra], key=lambda file: file[0].partition(".")[0]))

    summary = inspected(path)

    passed_over = {one.name: one.reason for one in summary.understood.passed_over}
    assert passed_over.keys() == {"*.json", "*.txt"}
    assert passed_over["*.txt"] == "2 files of samples, of which no column is made"
    assert summary.warnings == loaded(path).warnings == ()


@pytest.mark.parametrize("suffix", ["left.jpg", "webp", "bmp"])
def test_a_second_image_of_a_sample_is_warned_about(path: Path, suffix: str) -> None:
    archive(path, [*CATS_AND_DOGS, (f"2.{suffix}", image(40))])

    (warning,) = inspected(path).warnings

    assert warning.code == "files_passed_over"
    assert f"1 images of samples that have another one are not read: *.{suffix}" in warning.message
    assert loaded(path).warnings == (warning,)


def test_files_of_no_sample_are_counted_and_warned_about_if_they_may_be_data(path: Path) -> None:
    outside = [("README", b""), ("images/0001", image(1)), ("__meta__/0.png", image(1)), ("__index__", b"")]
    archive(path, [*outside, *CATS_AND_DOGS, ("._0.png", b"")])

    summary = inspected(path)

    assert summary.rows == loaded(path).rows == 3
    assert {one.name for one in summary.understood.passed_over} == {name for name, _ in outside}
    (warning,) = summary.warnings
    assert f"1 of what lies in {path.name} is not read: images/0001 (of no sample)" in warning.message


def test_of_many_files_of_no_sample_the_first_hundred_are_named(path: Path) -> None:
    archive(path, [*((f"{number}", b"") for number in range(130)), *CATS_AND_DOGS])

    understood = inspected(path).understood

    assert (len(understood.passed_over), understood.passed_over_count) == (100, 130)
