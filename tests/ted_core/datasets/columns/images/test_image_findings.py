"""What decoded pixels no longer tell of their images is told as warnings, also to those who find them in the cache."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ted_core.datasets import Limits
from ted_core.datasets.columns.images.image_files import AS_STORED, ImageSettings, decode_image
from ted_core.datasets.columns.images.image_findings import digest_of, look_at_first
from ted_core.datasets.findings import collect_findings
from ted_core.warnings import JobWarning
from tests.ted_core.datasets.files import IMAGES, image, loaded, parquet


def varied(count: int, *, mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> list[bytes]:
    """Images of which no two are equal."""
    return [image(number, mode=mode, size=size) for number in range(count)]


def animated(kind: str, *, frames: int = 2) -> bytes:
    first, *others = (Image.fromarray(np.full((8, 8, 3), 200 - 90 * number, np.uint8)) for number in range(frames))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others)
    return buffer.getvalue()


def clear(shade: int) -> bytes:
    """A picture in a shade of grey that is wholly transparent."""
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), (shade, shade, shade, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def warned(
    path: Path, encoded: Sequence[bytes], *, limits: Limits | None = None, **choices: object
) -> list[JobWarning]:
    """What loading these images warns of."""
    parquet(path, image=encoded, label=[row % 2 for row in range(len(encoded))])
    return list(loaded(path, task=IMAGES, limits=limits, **choices).warnings)


def codes(warnings: Sequence[JobWarning]) -> list[str]:
    return [warning.code for warning in warnings]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "images.parquet"


def test_of_ordinary_images_there_is_nothing_to_say(path: Path) -> None:
    assert warned(path, varied(30)) == []


# --- equal ------------------------------------------------------------------------------------------------------------


def test_many_images_that_become_one_are_told_with_their_first_rows(path: Path) -> None:
    (warning,) = warned(path, [*varied(30), *[image(200)] * 12])

    assert (warning.code, warning.field) == ("images_equal", "dataset.input")
    assert "12 of 42 images have the same pixels, first rows: 30, 31, 32, 33, 34." in warning.message


@pytest.mark.parametrize(("equal", "others", "expected"), [(9, 30, []), (10, 30, ["images_equal"]), (2, 2, [])])
def test_a_few_equal_images_are_ordinary(path: Path, equal: int, others: int, expected: list[str]) -> None:
    assert codes(warned(path, [*varied(others), *[image(200)] * equal])) == expected


def test_of_few_images_more_than_half_are_many(path: Path) -> None:
    assert codes(warned(path, [*varied(3), *[image(200)] * 4])) == ["images_equal"]


def test_equal_images_of_several_kinds_are_all_counted(path: Path) -> None:
    (warning,) = warned(path, [*[image(0)] * 12, *[image(100)] * 11, *[image(200)] * 9])

    assert "12 of 32 images have the same pixels" in warning.message
    assert "; 11 more are equal in groups of 11 and more" in warning.message


def test_drawings_that_the_ground_hides_are_told_as_equal_and_where_to_change_it(path: Path) -> None:
    white_ink = np.full((8, 8, 4), 255, np.uint8)
    drawings = [white_ink.copy() for _ in range(40)]
    for row, drawing in enumerate(drawings):
        drawing[row % 8, :, 3] = row

    (on_white,) = warned(path, [image(drawing, mode="RGBA") for drawing in drawings], background="white")
    on_black = warned(path, [image(drawing, mode="RGBA") for drawing in drawings], background="black")

    assert (on_white.code, on_white.field) == ("images_equal", "dataset.background")
    assert "dataset.background" in on_white.message
    assert on_black == []


def test_an_image_is_equal_to_itself_in_grey_and_in_colour() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)

    assert digest_of(grey) == digest_of(np.repeat(grey, 3, axis=0))
    assert digest_of(grey) != digest_of(grey.transpose(0, 2, 1))


def test_equal_images_are_found_on_both_sides_of_the_first_colour(path: Path) -> None:
    encoded = [*[image(9, mode="L")] * 6, *varied(10), *[image(9)] * 6]

    (warning,) = warned(path, encoded)

    assert "13 of 22 images have the same pixels" in warning.message


def test_equal_images_in_arrays_are_told_too(tmp_path: Path) -> None:
    pixels = np.zeros((30, 8, 8), np.uint8)
    pixels[:, 0, 0] = np.arange(30).clip(10)
    np.savez(tmp_path / "data.npz", x=pixels, y=np.arange(30) % 2)

    (warning,) = loaded(tmp_path / "data.npz", task=IMAGES).warnings

    assert "11 of 30 images have the same pixels, first rows: 0, 1, 2, 3, 4" in warning.message


# --- transparency -----------------------------------------------------------------------------------------------------


def test_a_ground_that_nobody_named_is_told(path: Path) -> None:
    encoded = [*varied(5), clear(9)]

    (warning,) = warned(path, encoded)

    assert (warning.code, warning.field) == ("images_transparent", "dataset.background")
    assert "1 of 6 images are transparent in part and are laid on white, first rows: 5" in warning.message
    assert warned(path, encoded, background="white") == []


def test_an_opaque_alpha_channel_is_no_transparency(path: Path) -> None:
    assert warned(path, varied(5, mode="RGBA")) == []


# --- size -------------------------------------------------------------------------------------------------------------


def test_images_of_another_size_than_the_first_are_told(path: Path) -> None:
    encoded = [*varied(3), image(50, size=(16, 16)), image(60, size=(16, 8)), image(70, size=(401, 400))]

    (warning,) = warned(path, encoded)

    assert (warning.code, warning.field) == ("image_sizes_differ", "dataset.image_size")
    assert (
        "3 of 6 images are resized to the first one's 8x8 pixels, 1 of them distorted, first rows: 3, 4, 5"
        in warning.message
    )
    assert warned(path, encoded, image_size=8) == []


# --- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_read_and_the_others_are_told(path: Path, kind: str) -> None:
    encoded = [*varied(3), animated(kind), animated(kind, frames=1)]
    parquet(path, image=encoded, label=[0, 1, 0, 1, 0])

    samples = loaded(path, task=IMAGES)

    (warning,) = samples.warnings
    assert (warning.code, warning.field) == ("image_frames_left_out", "dataset.input")
    assert "1 of 5 images have several frames or pages" in warning.message
    np.testing.assert_allclose(samples.inputs[3], 200, atol=3)  # type: ignore[index]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_images_that_are_left_out_are_told_with_the_names_of_their_rows(path: Path) -> None:
    parquet(path, image=[*varied(3), b"broken"], label=[0, 1, 0, 1], id=["a", "b", "c", "d"])

    (warning,) = loaded(path, task=IMAGES, limits=Limits(max_undecodable=0.5)).warnings

    assert (warning.code, warning.field) == ("images_undecodable", "dataset.input")
    assert "1 of 4 images cannot be decoded, first rows: 3 (d)" in warning.message


# --- a first look -----------------------------------------------------------------------------------------------------


def first_look(encoded: Sequence[bytes], settings: ImageSettings = AS_STORED) -> tuple[object, list[JobWarning]]:
    """The shape that the first images show, and what is said of them."""
    with collect_findings() as noticed:
        look = look_at_first(map(decode_image, encoded), settings, name=lambda row: f"{row} of a.tar")
        look.findings.warn()
    return look.shape, list(noticed.warnings)


def test_a_first_look_shows_what_loading_will_find() -> None:
    encoded = [b"broken", image(9, mode="L", size=(7, 5)), *[clear(8)] * 11, animated("GIF"), *varied(4)]

    shape, warnings = first_look(encoded)

    assert shape == (3, 5, 7), "one in colour makes all of them so"
    assert sorted(codes(warnings)) == [
        "image_frames_left_out",
        "image_sizes_differ",
        "images_equal",
        "images_transparent",
        "images_undecodable",
    ]
    assert "1 of the first 18 images cannot be decoded, first rows: 0 of a.tar" in warnings[0].message
    assert "16 of the first 18 images are resized to the first one's 7x5 pixels" in warnings[3].message


def test_of_a_few_images_with_more_to_come_more_than_half_may_be_equal() -> None:
    assert first_look([image(9)] * 9)[1] == []
    assert codes(first_look([image(9)] * 10)[1]) == ["images_equal"]


def test_where_no_image_can_be_decoded_a_first_look_shows_no_shape() -> None:
    shape, warnings = first_look([b"broken"] * 3)

    assert shape is None
    assert codes(warnings) == ["images_undecodable"]


def test_a_request_decides_about_the_shape_before_the_first_image_does() -> None:
    assert first_look([image(9, mode="L")], ImageSettings(16, colour=True))[0] == (3, 16, 16)


# --- once more --------------------------------------------------------------------------------------------------------


def test_those_who_find_decoded_images_in_the_cache_are_warned_as_well(path: Path, tmp_path: Path) -> None:
    limits = Limits(memory_bytes=100, cache=tmp_path / "cache", identity="these")
    encoded = [*[image(9, mode="L")] * 12, clear(3), image(1, size=(9, 12)), animated("GIF")]

    first = warned(path, encoded, limits=limits)
    found = warned(path, varied(len(encoded)), limits=limits)  # others, which nobody reads

    assert found == first
    assert codes(first) == ["images_equal", "images_transparent", "image_sizes_differ", "image_frames_left_out"]


def test_another_ground_and_other_channels_are_other_images(path: Path, tmp_path: Path) -> None:
    limits = Limits(memory_bytes=100, cache=tmp_path / "cache", identity="these")
    parquet(path, image=[clear(3), *varied(3, mode="L")], label=[0, 1, 0, 1])

    def first(**choices: object) -> np.ndarray:
        found = loaded(path, task=IMAGES, limits=limits, **choices).inputs
        assert isinstance(found, np.memmap)
        return found[0, :, 0, 0]

    assert first().tolist() == [255, 255, 255]
    assert first(background="black").tolist() == [0, 0, 0]
    assert first(background="black", colour=False).tolist() == [0]
