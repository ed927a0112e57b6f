"""Images of any size, colour and orientation become one array."""

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from pydantic import ValidationError

from ted_core.datasets import Limits
from ted_core.datasets.columns.array_cache import ArrayCache, DecodedInputs
from ted_core.datasets.columns.images.decoder import Decoder
from ted_core.datasets.columns.images.image_files import AS_STORED, AVIF, ImageSettings, decode_image
from ted_core.datasets.samples import Images
from ted_core.datasets.spec import Background
from ted_core.errors import DatasetTooLarge, MissingValues, SettingUnsuited, UndecodableImages
from tests.ted_core.datasets.files import IMAGES, TEXTS, image, loaded, parquet, refused_on_sight, spec

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


def picture(encoded: bytes, settings: ImageSettings = AS_STORED) -> Image.Image:
    image = decode_image(encoded, settings)
    assert image is not None
    return image.picture


def decoded(
    encoded: Sequence[bytes | None],
    *,
    size: int | None = None,
    memory: int | None = None,
    settings: ImageSettings | None = None,
) -> Images:
    cache = ArrayCache(Limits(memory_bytes=memory))
    decoder = Decoder(len(encoded), threads=2, allocate=cache.array, settings=settings or ImageSettings(size))
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

    sizes = {size: picture(photo, ImageSettings(size)).size for size in (64, 75, 76, 200, 600, 601)}

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


# --- colour -----------------------------------------------------------------------------------------------------------

GREYS, COLOURS = ("L", "1", "LA"), ("RGB", "P", "RGBA", "CMYK")


def in_mode(mode: str, pixels: int | np.ndarray, *, size: tuple[int, int] = (8, 8)) -> bytes:
    return image(pixels, mode=mode, size=size, kind="TIFF" if mode == "CMYK" else "PNG")


@pytest.mark.parametrize("where", [0, 1, 5])
@pytest.mark.parametrize("mode", [*GREYS, *COLOURS])
def test_there_are_three_channels_if_any_image_has_colour(mode: str, where: int) -> None:
    encoded = [image(0, mode="L")] * 5
    encoded.insert(where, in_mode(mode, 255))

    images = decoded(encoded)

    assert images.shape == (6, 1 if mode in GREYS else 3, 8, 8)
    assert [int(pixels.min()) for pixels in images] == [int(pixels.max()) for pixels in images]
    assert images[:, 0, 0, 0].tolist() == [255 if row == where else 0 for row in range(6)]


def test_a_grey_image_in_front_leaves_the_others_their_colours() -> None:
    red, green = (np.full((8, 8, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 102, 0)))

    images = decoded([image(red, mode="L"), *[image(red), image(green)] * 50])

    assert images[:3, :, 0, 0].tolist() == [[60, 60, 60], [200, 0, 0], [0, 102, 0]]


def test_images_that_look_grey_but_are_stored_in_colour_count_as_colour() -> None:
    assert decoded([image(7, mode="L"), image(9, mode="RGB")]).shape == (2, 3, 8, 8)


@pytest.mark.parametrize(("colour", "channels"), [(True, 3), (False, 1)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_request_may_say_how_many_channels_there_are(mode: str, colour: bool, channels: int) -> None:
    settings = ImageSettings(colour=colour)

    images = decoded([image(50, mode=mode), image(50, mode="RGB"), image(50, mode="L")], settings=settings)

    assert images.shape == (3, channels, 8, 8)
    np.testing.assert_array_equal(images, 50)


@pytest.mark.parametrize(("first", "channels"), [("L", 3), ("RGB", 3)])
def test_grey_and_colour_may_be_mixed_at_any_size(first: str, channels: int) -> None:
    encoded = [image(50, mode=first, kind="JPEG", size=(300, 200))]
    encoded += [image(50, mode=mode, kind=kind, size=(20, 30)) for mode in ("RGB", "L") for kind in ("PNG", "WEBP")]

    images = decoded(encoded, settings=ImageSettings(12))

    assert images.shape == (5, channels, 12, 12)
    np.testing.assert_allclose(images, 50, atol=2)


RAMP = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16)
FILES = [b"no image", *(in_mode(mode, RAMP) for mode in (*GREYS, *COLOURS)), image(RAMP.T, mode="L", kind="JPEG")]


@given(encoded=st.lists(st.sampled_from(FILES), min_size=1, max_size=100), at_a_time=st.integers(1, 70))
@settings(deadline=None, max_examples=60)
def test_the_array_is_what_decoding_one_image_after_another_gives(encoded: list[bytes], at_a_time: int) -> None:
    usable = [found.picture for data in encoded if (found := decode_image(data))]
    mode = "RGB" if any(found.mode == "RGB" for found in usable) else "L"
    slowly = [np.atleast_3d(np.asarray(found.convert(mode))).transpose(2, 0, 1) for found in usable]

    decoder = Decoder(len(encoded), threads=2, allocate=ArrayCache(Limits()).array)
    for start in range(0, len(encoded), at_a_time):
        decoder.add(encoded[start : start + at_a_time])

    if slowly:
        np.testing.assert_array_equal(decoder.images(max_undecodable=1), np.stack(slowly))
    assert np.flatnonzero(decoder.decoded).tolist() == [row for row, data in enumerate(encoded) if data in FILES[1:]]


def test_where_grey_images_are_mapped_from_a_file_colour_makes_a_larger_one_of_it(tmp_path: Path) -> None:
    values = list(range(200))
    encoded = [image(value, mode="L" if value < 150 else "RGB") for value in values]
    limits = Limits(memory_bytes=1000, cache=tmp_path, identity="these")

    with ArrayCache(limits) as cache:
        decoder = Decoder(len(values), threads=2, allocate=cache.array)
        for value in values:
            decoder.add([encoded[value]])
        saved = cache.save(DecodedInputs(decoder.images(max_undecodable=0), decoder.decoded))

    assert isinstance(saved.inputs, np.memmap)
    assert saved.inputs.shape == (200, 3, 8, 8)
    assert saved.inputs.min((1, 2, 3)).tolist() == saved.inputs.max((1, 2, 3)).tolist() == values
    (kept,) = tmp_path.iterdir()
    assert 200 * 3 * 64 < kept.stat().st_size < 200 * 4 * 64


def test_colour_counts_against_the_memory_when_it_turns_up() -> None:
    grey, colour = image(0, mode="L"), image(0)

    assert decoded([grey] * 4, memory=4 * 64).shape == (4, 1, 8, 8)
    with pytest.raises(DatasetTooLarge, match="take 768 bytes"):
        decoded([grey, grey, grey, colour], memory=4 * 64)


# --- transparency -----------------------------------------------------------------------------------------------------

SHAPE = np.zeros((8, 8), bool)
SHAPE[2:6, 3:5] = True
"""Where the drawing is; elsewhere there is nothing."""


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def drawn(mode: str, ink: int) -> Image.Image:
    """The drawing in this ink, whose transparent parts have the ink's colour too."""
    alpha = Image.fromarray(np.where(SHAPE, 255, 0).astype(np.uint8))
    picture = Image.new(mode.removesuffix("A"), (8, 8), (ink,) * (len(mode) - 1))
    picture.putalpha(alpha)
    return picture


def keyed(mode: str) -> Image.Image:
    """A drawing in black on white, of which one colour can be left out."""
    return Image.fromarray(np.where(SHAPE, 0, 255).astype(np.uint8)).convert(mode)


def in_palette(*, alpha: int | bytes) -> bytes:
    """The drawing as colour 1 of a palette of black alone."""
    picture = Image.fromarray(SHAPE.astype(np.uint8), "P")
    picture.putpalette([0] * 6)
    return saved(picture, transparency=alpha)


def sixteen_bits() -> bytes:
    pixels = np.where(SHAPE, 7, 40_000).astype(np.uint16)
    return saved(Image.fromarray(pixels), transparency=40_000)


def sixteen_bits_of_colour() -> bytes:
    """A PNG as Pillow does not write it: the drawing in black, and one colour of 16 bits that is left out."""
    left_out = struct.pack(">3H", 10_000, 20_000, 60_000)
    rows = (b"\0" + b"".join(bytes(6) if inked else left_out for inked in row) for row in SHAPE.tolist())
    header = struct.pack(">2I5B", 8, 8, 16, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"tRNS": left_out, b"IDAT": zlib.compress(b"".join(rows)), b"IEND": b""}
    parts = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BLACK_DRAWINGS = {
    "RGBA": lambda: saved(drawn("RGBA", 0)),
    "LA": lambda: saved(drawn("LA", 0)),
    "WebP": lambda: saved(drawn("RGBA", 0), "WEBP", lossless=True),
    "AVIF": lambda: saved(drawn("RGBA", 0), "AVIF", quality=100),
    "TIFF": lambda: saved(drawn("RGBA", 0), "TIFF"),
    "a palette with alpha": lambda: in_palette(alpha=bytes([0, 255])),
    "a palette with one transparent colour": lambda: in_palette(alpha=0),
    "a transparent grey": lambda: saved(keyed("L"), transparency=255),
    "a transparent colour": lambda: saved(keyed("RGB"), transparency=(255, 255, 255)),
    "black and white, which is transparent": lambda: saved(keyed("1"), transparency=1),
    "GIF": lambda: saved(keyed("L"), "GIF", transparency=255),
    "a transparent grey of 16 bits": sixteen_bits,
    "a transparent colour of 16 bits": sixteen_bits_of_colour,
}


@pytest.mark.parametrize(("background", "ground"), [(None, 255), ("white", 255), ("black", 0)])
@pytest.mark.parametrize("stored", BLACK_DRAWINGS)
def test_transparent_parts_show_the_ground(stored: str, background: Background | None, ground: int) -> None:
    if stored == "AVIF" and not AVIF:
        pytest.skip("from Pillow 11.3 on")

    images = decoded([BLACK_DRAWINGS[stored]()], settings=ImageSettings(background=background))

    np.testing.assert_allclose(images[0, 0][SHAPE], 0, atol=2)
    np.testing.assert_allclose(images[0, 0][~SHAPE], ground, atol=2)


@pytest.mark.parametrize(("background", "brightness"), [("white", 255 - 100), ("black", 0)])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_half_transparent_is_mixed_with_the_ground(mode: str, background: Background, brightness: int) -> None:
    veil = Image.new(mode, (8, 8), (*(0,) * (len(mode) - 1), 100))

    np.testing.assert_array_equal(decoded([saved(veil)], settings=ImageSettings(background=background)), brightness)


def test_eighty_transparent_drawings_are_eighty_pictures() -> None:
    inks = [np.zeros((16, 16, 4), np.uint8) for _ in range(80)]
    for number, ink in enumerate(inks):
        ink[4:12, 4 : 6 if number % 2 else 12, 3] = ink[number % 16, 12 + number // 32, 3] = 255

    images = decoded([image(ink, mode="RGBA") for ink in inks])

    assert len(np.unique(images, axis=0)) == len(np.unique(np.stack(inks), axis=0))


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

    np.testing.assert_allclose(np.asarray(picture(bytes(content))), 90, atol=2)


# --- damage -----------------------------------------------------------------------------------------------------------


def test_broken_images_are_counted_and_have_no_place() -> None:
    decoder = Decoder(6, threads=2, allocate=ArrayCache(Limits()).array, settings=ImageSettings(8))
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

    decoded = decode_image(bytes(content), ImageSettings(2))

    assert decoded is None or decoded.picture.mode in ("L", "RGB")


# --- what a request may ask for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 1025, 0, -8])
def test_sizes_of_images_are_within_reason(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValidationError):
        spec(tmp_path, task=IMAGES, image_size=size)


def test_images_in_tables_are_resized_too(tmp_path: Path) -> None:
    path = parquet(tmp_path / "data.parquet", image=[image(1), image(2, size=(90, 30))], label=["a", "b"])

    assert loaded(path, task=IMAGES, image_size=20).inputs.shape == (2, 3, 20, 20)


@pytest.mark.parametrize("setting", [{"image_size": 16}, {"colour": True}, {"colour": False}, {"background": "black"}])
def test_where_there_are_no_encoded_images_their_settings_are_refused(tmp_path: Path, setting: dict[str, Any]) -> None:
    table = parquet(tmp_path / "data.parquet", x=[1, 2], text=["good", "bad"], label=["a", "b"])
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.arange(2))
    arrays = tmp_path / "data.npz", {"format": "npz", "task": IMAGES}

    for path, choices in ((table, {}), (table, {"task": TEXTS}), arrays):
        refusal = refused_on_sight(SettingUnsuited, path, **choices, **setting)  # type: ignore[arg-type]
        assert refusal.field == f"dataset.{next(iter(setting))}"
