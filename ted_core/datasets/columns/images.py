"""Encoded images → one uint8 array, decoded once and in parallel."""

import io
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from ted_core.datasets.columns.array_cache import Allocate
from ted_core.datasets.samples import Images
from ted_core.errors import MissingValues, UndecodableImages

CHUNK = 32
"""Images that one thread decodes before it takes the next ones; Pillow frees the interpreter while it decodes."""
SHOWN = 5
LARGEST_IMAGE_PIXELS = 50_000_000
GREY, RGB = "L", "RGB"
FILE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Without formats whose decoders start other programs (EPS) or are seldom exercised."""
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L")
GREY_MODES = ("1", GREY)
MODES = (*GREY_MODES, RGB, "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes that convert to grey and colour; 32-bit and floating-point pixels have no scale that is known."""
UNDECODABLE = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
DAMAGED_EXIF = (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error)


class Decoder:
    """Fills one array with decoded images, leaving out those that cannot be decoded.

    The first image decides between grey and colour and, unless ``image_size`` is given, the size. Images of another
    size are resized bilinearly, whatever their aspect ratio.
    """

    def __init__(
        self,
        rows: int,
        *,
        threads: int,
        allocate: Allocate,
        image_size: int | None = None,
        name: Callable[[int], str] = str,
    ) -> None:
        """``image_size``: height and width of every decoded image, in pixels. ``name``: what errors call a row."""
        self.rows = rows
        self.allocate = allocate
        self.image_size = image_size
        self.name = name
        self.decoded: Bool[np.ndarray, " rows"] = np.zeros(rows, bool)
        self._array: Images | None = None
        self._mode = RGB
        self._size = (0, 0)
        self._rows_added = 0
        self._images_decoded = 0
        self._pool = ThreadPoolExecutor(threads)

    def add(self, encoded: Sequence[bytes | None]) -> None:
        """Decode the next rows. Raises MissingValues for a null, and DatasetTooLarge before memory is taken."""
        if None in encoded:
            row = self._rows_added + list(encoded).index(None)
            raise MissingValues(f"Row {self.name(row)} has no image", field="dataset.input")
        if self._array is None:
            self._array = self._allocated(encoded)
        starts = range(0, len(encoded), CHUNK)
        list(self._pool.map(lambda start: self._decode_chunk(encoded[start : start + CHUNK], start), starts))
        self._close_gaps(len(encoded))

    def _allocated(self, encoded: Sequence[bytes | None]) -> Images | None:
        first = next((image for data in encoded if (image := self._decode_image(data))), None)
        if first is None:
            return None
        self._mode = GREY if first.mode in GREY_MODES else RGB
        self._size = (self.image_size, self.image_size) if self.image_size else first.size
        width, height = self._size
        description = f"{self.rows} images of {width}x{height} pixels"
        return self.allocate((self.rows, len(self._mode), height, width), np.uint8, description)

    def _decode_chunk(self, encoded: Sequence[bytes | None], start: int) -> None:
        for number, data in enumerate(encoded, start):
            image = self._decode_image(data)
            if image is not None and self._array is not None:
                self._array[self._images_decoded + number] = self._pixels(image)
                self.decoded[self._rows_added + number] = True

    def _decode_image(self, data: bytes | None) -> Image.Image | None:
        return decode_image(data, at_least=self.image_size)

    def _pixels(self, image: Image.Image) -> UInt8[np.ndarray, "channels height width"]:
        image = image if image.mode == self._mode else image.convert(self._mode)
        image = image if image.size == self._size else image.resize(self._size, Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # noqa: PLR2004

    def _close_gaps(self, rows: int) -> None:
        """Among the last rows, move the images that follow undecodable ones up."""
        decoded = np.flatnonzero(self.decoded[self._rows_added : self._rows_added + rows])
        for index, row in enumerate(decoded.tolist()):
            if index != row and self._array is not None:
                self._array[self._images_decoded + index] = self._array[self._images_decoded + row]
        self._rows_added += rows
        self._images_decoded += len(decoded)

    def images(self, *, max_undecodable: float) -> Images:
        """Return the decoded images. Raises UndecodableImages if more than the tolerated share could not be decoded."""
        self._pool.shutdown()
        undecodable = np.flatnonzero(~self.decoded)
        if self._array is None or len(undecodable) > max_undecodable * self.rows:
            first = ", ".join(self.name(int(row)) for row in undecodable[:SHOWN])
            fact = f"{len(undecodable)} of {self.rows} images, first rows: {first}"
            raise UndecodableImages(fact, field="dataset.input")
        return self._array[: self._images_decoded]


def decode_image(data: bytes | None, *, at_least: int | None = None) -> Image.Image | None:
    """Return the decoded image, upright, or None if the bytes are no usable image.

    A JPEG may be decoded at a half, a quarter or an eighth of its size, never to fewer pixels than ``at_least`` in
    height or width.
    """
    try:
        image = Image.open(io.BytesIO(data or b""), formats=FILE_FORMATS)
        if image.width * image.height > LARGEST_IMAGE_PIXELS:
            return None
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
    except UNDECODABLE:
        return None
    _turn_upright(image)
    image.info.pop("transparency", None)  # it is ignored, and Pillow would warn about it
    if image.mode in SIXTEEN_BITS:
        return _eight_bits(image)
    return image if image.mode in MODES else None


def _turn_upright(image: Image.Image) -> None:
    """Turn or mirror the image as its EXIF orientation says; if that cannot be read, leave it as it is stored."""
    with suppress(*DAMAGED_EXIF):
        ImageOps.exif_transpose(image, in_place=True)


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper byte of 16-bit grey; Pillow's own conversion would turn nearly all of it white."""
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
