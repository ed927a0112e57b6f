"""Encoded images → one uint8 array, decoded once and in parallel."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Bool
from PIL import Image, UnidentifiedImageError

from ted_core.datasets.samples import Images
from ted_core.errors import DatasetTooLarge, MissingValues, UndecodableImages

CHUNK = 256
"""Images that one thread decodes before it takes the next ones; Pillow frees the interpreter while it decodes."""
LARGEST_IMAGE_PIXELS = 50_000_000
GREY, RGB = "L", "RGB"
FILE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Left out are formats whose decoders start other programs (EPS) or are seldom exercised."""
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


class Decoder:
    """Fills one array with decoded images. Size and colour are those of the first image; others are fitted to it."""

    def __init__(self, rows: int, *, threads: int, memory_limit: int | None) -> None:
        self.rows, self.memory_limit = rows, memory_limit
        self.decoded: Bool[np.ndarray, " rows"] = np.zeros(rows, bool)
        self._array: Images | None = None
        self._mode, self._size, self._next_row = RGB, (0, 0), 0
        self._pool = ThreadPoolExecutor(threads)

    def add(self, encoded: Sequence[bytes | None]) -> None:
        """Decode the next rows. Raises MissingValues for a null, DatasetTooLarge before memory is taken."""
        if None in encoded:
            row = self._next_row + list(encoded).index(None)
            raise MissingValues(f"Row {row} has no image", field="dataset.input")
        if self._array is None:
            self._array = self._allocate(encoded)
        starts = range(0, len(encoded), CHUNK)
        list(self._pool.map(lambda start: self._decode_chunk(encoded[start : start + CHUNK], start), starts))
        self._next_row += len(encoded)

    def _allocate(self, encoded: Sequence[bytes | None]) -> Images | None:
        first = next((image for data in encoded if (image := opened(data))), None)
        if first is None:
            return None
        self._mode, self._size = (GREY if first.mode in GREY_MODES else RGB), first.size
        shape = (self.rows, len(self._mode), first.height, first.width)
        if self.memory_limit and np.prod(shape) > self.memory_limit:
            fact = f"{self.rows} images of {first.width}x{first.height} pixels take {np.prod(shape):,} bytes"
            raise DatasetTooLarge(fact, field="dataset.uri")
        return np.zeros(shape, np.uint8)

    def _decode_chunk(self, encoded: Sequence[bytes | None], start: int) -> None:
        for row, data in enumerate(encoded, start=self._next_row + start):
            image = opened(data)
            if image is not None and self._array is not None:
                self._place(row, image)

    def _place(self, row: int, image: Image.Image) -> None:
        image = image if image.mode == self._mode else image.convert(self._mode)
        image = image if image.size == self._size else image.resize(self._size, Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        self._array[row] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # type: ignore[index]  # noqa: PLR2004
        self.decoded[row] = True

    def images(self, *, max_undecodable: float) -> Images:
        """The array, undecodable rows left black. Raises UndecodableImages past the tolerated share."""
        self._pool.shutdown()
        broken = np.flatnonzero(~self.decoded)
        if self._array is None or len(broken) > max_undecodable * self.rows:
            rows = ", ".join(map(str, broken[:5]))
            raise UndecodableImages(f"{len(broken)} of {self.rows} images, first rows: {rows}", field="dataset.input")
        return self._array


def opened(data: bytes | None) -> Image.Image | None:
    """The decoded image, or None where the bytes are not one that can be used."""
    try:
        image = Image.open(io.BytesIO(data or b""), formats=FILE_FORMATS)
        if image.width * image.height > LARGEST_IMAGE_PIXELS:
            return None
        image.load()
    except UNDECODABLE:
        return None
    image.info.pop("transparency", None)  # is ignored; Pillow would warn of it
    if image.mode in SIXTEEN_BITS:
        return _eight_bits(image)
    return image if image.mode in MODES else None


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper byte of 16-bit grey; Pillow's own conversion would make white of nearly all of it."""
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
