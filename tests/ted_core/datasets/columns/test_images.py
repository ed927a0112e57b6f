"""Images of any size, colour and orientation become one array."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from pydantic import ValidationError

from ted_core.datasets import Limits
from ted_core.datasets.columns.array_cache import ArrayCache
from ted_core.datasets.columns.images import Decoder, decode_image
from ted_core.datasets.samples import Images
from ted_core.errors import DatasetTooLarge, MissingValues, SettingUnsuited, UndecodableImages
from tests.ted_core.datasets.files import IMAGES, image, loaded, parquet, refused_on_sight, spec

PIXELS = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3
"""Six rows of four colours, all different."""
STORED_AS = {
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.transpose(1, 0, 2),
    6: np.rot90(PIXELS),
    7: np.rot90(PIXELS, 2).transpose(1, 0, 2),
    8: np.rot90(PIXELS, -1),
}
"""How a camera that was held in each of EXIF's eight orientations stores the same picture."""


def oriented(pixels: np.ndarray, orientation: int, *, kind: str = "PNG") -> bytes:
    """An encoded image that says how it has to be turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.ImageDescription] = "a picture"
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def decoded(encoded: Sequence[bytes | None], *, size: int | None = None, memory: int | None = None) -> Images:
    cache = ArrayCache(Limits(memory_bytes=memory))
    decoder = Decoder(len(encoded), threads=2, allocate=cache.array, image_size=size)
    decoder.add(encoded)
    return decoder.images(max_undecodable=0)


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_image_takes_the_size_that_is_asked_for(kind: str) -> None:
    sizes = [(8, 8), (64, 32), (5, 300), (1, 1)]

    images = decoded([image(90, size=size, kind=kind) for size in sizes], size=16)

    assert images.shape == (4, 3, 16, 16)
    np.testing.assert_allclose(images, 90, atol=2)


def test_without_a_size_the_first_image_that_can_be_decoded_gives_it() -> None:
    decoder = Decoder(3, threads=1, allocate=ArrayCache(Limits()).array)
    decoder.add([b"no image"])
    decoder.add([image(1, size=(5, 7)), image(2, size=(8, 8))])

    assert decoder.images(max_undecodable=0.5).shape == (2, 3, 7, 5)
    assert decoder.decoded.tolist() == [False, True, True]


def test_the_aspect_ratio_is_not_kept() -> None:
    halves = np.repeat(np.array([[0, 255]], np.uint8), 20, axis=1).repeat(10, axis=0)

    images = decoded([image(halves, mode="L")], size=10)

    assert (images[0, 0, :, :4] == 0).all()
    assert (images[0, 0, :, 6:] == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_images_are_made_smaller_by_averaging_not_by_leaving_pixels_out(kind: str) -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), (256, 128))

    images = decoded([image(stripes, mode="L", kind=kind)], size=16)

    np.testing.assert_allclose(images, 100, atol=6)


def test_a_large_jpeg_is_decoded_at_the_smallest_scale_that_is_large_enough() -> None:
    photo = image(120, size=(1000, 600), kind="JPEG")

    sizes = {size: decode_image(photo, at_least=size).size for size in (64, 75, 76, 200, 600, 601)}  # type: ignore[union-attr]

    assert sizes == {
        64: (125, 75),
        75: (125, 75),
        76: (250, 150),
        200: (500, 300),
        600: (1000, 600),
        601: (1000, 600),
    }


def test_a_jpeg_that_was_decoded_at_a_reduced_scale_shows_the_same_picture() -> None:
    rows, columns = np.mgrid[0:512, 0:768] / 100
    photo = (127 + 120 * np.stack([np.sin(rows), np.cos(columns), np.sin(rows + columns)], axis=-1)).astype(np.uint8)

    at_once = decoded([image(photo, kind="JPEG")], size=32)
    afterwards = decoded([image(photo, kind="PNG")], size=32)

    np.testing.assert_allclose(at_once.astype(int), afterwards.astype(int), atol=6)


def test_the_size_that_is_asked_for_counts_against_the_memory() -> None:
    encoded = [image(0, size=(500, 500))] * 4

    assert decoded(encoded, size=8, memory=4 * 3 * 64).nbytes == 4 * 3 * 64
    with pytest.raises(DatasetTooLarge) as refusal:
        decoded(encoded, size=8, memory=4 * 3 * 64 - 1)
    assert "4 images of 8x8 pixels take 768 bytes" in refusal.value.fact


# --- colour -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "channels"), [("L", 1), ("RGB", 3)])
def test_grey_and_colour_may_be_mixed_at_any_size(first: str, channels: int) -> None:
    encoded = [image(50, mode=first, kind="JPEG", size=(300, 200))]
    encoded += [image(50, mode=mode, kind=kind, size=(20, 30)) for mode in ("RGB", "L") for kind in ("PNG", "WEBP")]

    images = decoded(encoded, size=12)

    assert images.shape == (5, channels, 12, 12)
    np.testing.assert_allclose(images, 50, atol=2)


# --- orientation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_pictures_are_turned_upright(orientation: int, kind: str) -> None:
    stored = oriented(np.ascontiguousarray(STORED_AS[orientation]), orientation, kind=kind)

    np.testing.assert_array_equal(decoded([stored])[0], PIXELS.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_pictures_are_turned_upright_before_they_are_resized(kind: str) -> None:
    left_is_white = np.zeros((200, 400, 3), np.uint8)
    left_is_white[:, :200] = 255

    turned_right = decoded([oriented(left_is_white, 6, kind=kind)], size=16)

    assert turned_right[0, :, :7].min() > 240
    assert turned_right[0, :, 9:].max() < 15


def test_the_size_of_a_first_image_that_is_turned_is_that_of_the_turned_one() -> None:
    assert decoded([oriented(PIXELS, 6)]).shape == (1, 3, 4, 6)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    np.testing.assert_array_equal(decoded([oriented(PIXELS, orientation)])[0], PIXELS.transpose(2, 0, 1))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells what it skips
@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_damaged_exif_block_leaves_the_picture_usable(data: st.DataObject) -> None:
    content = bytearray(oriented(np.full((8, 8, 3), 90, np.uint8), 6, kind="JPEG"))
    block = content.index(b"Exif\0\0") + 6, content.index(b"a picture")
    content[data.draw(st.integers(*block))] ^= data.draw(st.integers(1, 255))

    decoded = decode_image(bytes(content))

    assert decoded is not None
    np.testing.assert_allclose(np.asarray(decoded), 90, atol=2)


# --- damage -----------------------------------------------------------------------------------------------------------


def test_broken_images_are_counted_and_have_no_place() -> None:
    decoder = Decoder(6, threads=2, allocate=ArrayCache(Limits()).array, image_size=8)
    for encoded in ([image(9), b"", image(7)[:50]], [image(8), b"\xff\xd8\xff\xe0", image(6)]):
        decoder.add(encoded)

    images = decoder.images(max_undecodable=0.6)

    assert decoder.decoded.tolist() == [True, False, False, True, False, True]
    assert images[:, 0, 0, 0].tolist() == [9, 8, 6]


def test_too_many_broken_images_are_named_as_the_caller_names_rows() -> None:
    decoder = Decoder(3, threads=1, allocate=ArrayCache(Limits()).array, name=lambda row: f"{row} of photos.tar")
    decoder.add([image(), b"broken", b"broken"])

    with pytest.raises(UndecodableImages) as refusal:
        decoder.images(max_undecodable=0.5)
    assert refusal.value.fact == "2 of 3 images, first rows: 1 of photos.tar, 2 of photos.tar"


def test_a_missing_image_is_named_as_the_caller_names_rows() -> None:
    decoder = Decoder(2, threads=1, allocate=ArrayCache(Limits()).array, name=lambda row: f"{row} of photos.parquet")

    with pytest.raises(MissingValues) as refusal:
        decoder.add([image(), None])
    assert refusal.value.fact == "Row 1 of photos.parquet has no image"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells what it skips
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_whatever_byte_is_damaged_an_image_is_decoded_or_not(kind: str, data: st.DataObject) -> None:
    content = bytearray(oriented(PIXELS, 6, kind=kind))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))

    decoded = decode_image(bytes(content), at_least=2)

    assert decoded is None or np.asarray(decoded).dtype in (np.uint8, bool)


# --- what a request may ask for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 1025, 0, -8])
def test_sizes_of_images_are_within_reason(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValidationError):
        spec(tmp_path, task=IMAGES, image_size=size)


def test_images_in_tables_are_resized_too(tmp_path: Path) -> None:
    path = parquet(tmp_path / "data.parquet", image=[image(1), image(2, size=(90, 30))], label=["a", "b"])

    assert loaded(path, task=IMAGES, image_size=20).inputs.shape == (2, 3, 20, 20)


def test_where_there_is_nothing_to_resize_a_size_is_refused(tmp_path: Path) -> None:
    table = parquet(tmp_path / "data.parquet", x=[1, 2], label=["a", "b"])
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.arange(2))

    for path, choices in ((table, {}), (tmp_path / "data.npz", {"format": "npz", "task": IMAGES})):
        assert refused_on_sight(SettingUnsuited, path, image_size=16, **choices).field == "dataset.image_size"
