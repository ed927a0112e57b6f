"""Encoded images → pictures as a viewer shows them: upright, transparency laid on a ground, in grey or in colour."""

import io
import struct
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from ted_core.datasets.spec import Background, DatasetSpec

LARGEST_IMAGE_PIXELS = 50_000_000
GREY, RGB = "L", "RGB"
AVIF = ("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()
"""From Pillow 11.3 on."""
FILE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", *AVIF)
"""Without formats whose decoders start other programs (EPS) or are seldom exercised."""
COUNTED_FRAMES, CHAINED_FRAMES = ("PNG", "WEBP", *AVIF), ("GIF", "TIFF")
"""The formats whose files may hold an animation, or several pages: whose header says so, and where one has to look."""
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L")
GREY_MODES = ("1", GREY, "LA")
MODES = (*GREY_MODES, RGB, "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes that convert to grey and colour; 32-bit and floating-point pixels have no scale that is known."""
GROUNDS: dict[Background, int] = {"white": 255, "black": 0}
USUAL_BACKGROUND: Background = "white"
OPAQUE = 255
DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, SyntaxError, LookupError, ArithmeticError, struct.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow raises for an image, or for EXIF data, that is damaged or too large."""


@dataclass(frozen=True)
class ImageSettings:
    """What a request says about images."""

    size: int | None = None
    """Height and width of every decoded image in pixels; None for those of the first one."""
    colour: bool | None = None
    """Whether there are three channels; None if that depends on the images."""
    background: Background | None = None
    """What transparency is laid on; white where None."""

    @classmethod
    def of(cls, spec: DatasetSpec) -> "ImageSettings":
        """Return what this request says."""
        return cls(spec.image_size, spec.colour, spec.background)

    @property
    def ground(self) -> int:
        """The brightness of what transparency is laid on, from 0 to 255."""
        return GROUNDS[self.background or USUAL_BACKGROUND]


@dataclass(frozen=True)
class DecodedImage:
    """A picture, and what its pixels no longer tell."""

    picture: Image.Image
    """In grey (L) or in colour (RGB)."""
    has_transparency: bool = False
    """Whether the ground shows through anywhere."""
    has_several_frames: bool = False
    """Whether the file holds more pictures than this one, its first."""

    @property
    def has_colour(self) -> bool:
        """Whether it is stored in colour, though all of its pixels may look grey."""
        return self.picture.mode == RGB

    def shape(self, settings: ImageSettings) -> tuple[int, int, int]:
        """Return channels, height and width that these settings make of it if it is the first image."""
        has_colour = self.has_colour if settings.colour is None else settings.colour
        width, height = (settings.size, settings.size) if settings.size else self.picture.size
        return len(RGB if has_colour else GREY), height, width

    @property
    def pixels(self) -> UInt8[np.ndarray, "channels height width"]:
        """The picture as an array."""
        return channels_first(self.picture)


AS_STORED = ImageSettings()


def decode_image(data: bytes | None, settings: ImageSettings = AS_STORED) -> DecodedImage | None:
    """Return the picture, or None if the bytes are no usable image.

    It has its own size, and its own mode; a JPEG may be decoded at a half, a quarter or an eighth of its size, never
    to fewer pixels than ``settings.size`` in height or width.
    """
    try:
        image = Image.open(io.BytesIO(data or b""), formats=FILE_FORMATS)
        if image.width * image.height > LARGEST_IMAGE_PIXELS:
            return None
        if settings.size:
            image.draft(None, (settings.size, settings.size))
        stored = _pixel_layout(image)
        image.load()
        _turn_upright(image)
        if image.mode not in (*MODES, *SIXTEEN_BITS):
            return None
        picture, has_transparency = _on_ground(_eight_bits(image, stored), settings.ground)
    except DAMAGE:
        return None
    return DecodedImage(picture, has_transparency, _has_several_frames(image, data))


def channels_first(picture: Image.Image) -> UInt8[np.ndarray, "channels height width"]:
    """Return the pixels of a picture in grey or in colour."""
    pixels = np.asarray(picture)
    return pixels[None] if picture.mode == GREY else pixels.transpose(2, 0, 1)


def _pixel_layout(image: Image.Image) -> str:
    """How the file stores pixels, such as RGB;16B; "" if its format's decoder does not say."""
    tiles = getattr(image, "tile", None)
    layout = tiles[0][3] if tiles else ""
    return layout if isinstance(layout, str) else ""


def _turn_upright(image: Image.Image) -> None:
    """Turn or mirror the image as its EXIF orientation says; if that cannot be read, leave it as it is stored."""
    with suppress(*DAMAGE):
        ImageOps.exif_transpose(image, in_place=True)


def _has_several_frames(image: Image.Image, data: bytes | None) -> bool:
    """Whether another frame follows. A file in which one has to look for it is opened again."""
    with suppress(*DAMAGE):
        if image.format in CHAINED_FRAMES:
            image = Image.open(io.BytesIO(data or b""), formats=CHAINED_FRAMES)
        elif image.format not in COUNTED_FRAMES:  # others, such as photographs with a thumbnail, are one picture
            return False
        return bool(getattr(image, "is_animated", False))
    return False


# --- sixteen bits, of which the upper eight are kept ------------------------------------------------------------------


def _eight_bits(image: Image.Image, stored: str) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        return _upper_byte(image)
    key = image.info.get("transparency")
    if stored.endswith(";16B") and isinstance(key, tuple):  # Pillow has cut the pixels, not the colour to leave out
        image.info["transparency"] = tuple(value >> 8 for value in key)
    return image


def _upper_byte(image: Image.Image) -> Image.Image:
    """The upper byte of 16-bit grey; Pillow's own conversion would turn nearly all of it white."""
    pixels = np.asarray(image)
    grey = Image.fromarray((pixels >> 8).astype(np.uint8))
    if isinstance(key := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(pixels == key, 0, OPAQUE).astype(np.uint8)))
    return grey


# --- transparency -----------------------------------------------------------------------------------------------------


def _on_ground(image: Image.Image, ground: int) -> tuple[Image.Image, bool]:
    """The image in grey or colour, and whether the ground shows through."""
    mode = GREY if image.mode in GREY_MODES else RGB
    if not image.has_transparency_data:
        return image if image.mode == mode else image.convert(mode), False
    image = image.convert("LA" if mode == GREY else "RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == OPAQUE:
        return image.convert(mode), False
    picture = Image.new(mode, image.size, (ground,) * len(mode))
    picture.paste(image.convert(mode), mask=alpha)
    return picture, True
