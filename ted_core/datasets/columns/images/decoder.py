"""Encoded images → one uint8 array, decoded once and in parallel."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Bool, UInt8, UInt64
from PIL import Image

from ted_core.datasets.columns.array_cache import Allocate
from ted_core.datasets.columns.images.image_files import (
    AS_STORED,
    GREY,
    RGB,
    DecodedImage,
    ImageSettings,
    channels_first,
    decode_image,
)
from ted_core.datasets.columns.images.image_findings import ImageFindings, digest_of, facts_of
from ted_core.datasets.exchange.owner import exchanged
from ted_core.datasets.samples import Images
from ted_core.errors import MissingValues, UndecodableImages

CHUNK = 32
"""Images that one thread decodes before it takes the next ones; Pillow frees the interpreter while it decodes."""
SHOWN = 5


class Decoder:
    """Fills one array with decoded images, leaving out those that cannot be decoded.

    Unless the settings say otherwise, the first image decides about the size of all; those of another size are resized
    bilinearly, whatever their aspect ratio. There are three channels once an image has colour: grey ones that came
    before it are copied into a larger array then, and no image but those that were just being added is decoded twice.
    """

    def __init__(
        self,
        rows: int,
        *,
        threads: int,
        allocate: Allocate,
        settings: ImageSettings = AS_STORED,
        name: Callable[[int], str] = str,
    ) -> None:
        """``name``: what errors and warnings call a row."""
        self.rows = rows
        self.allocate = allocate
        self.settings = settings
        self.name = name
        self.decoded: Bool[np.ndarray, " rows"] = np.zeros(rows, bool)
        self._facts: UInt8[np.ndarray, " rows"] = np.zeros(rows, np.uint8)
        self._digests: UInt64[np.ndarray, " rows"] = np.zeros(rows, np.uint64)
        self._array: Images | None = None
        self._mode = RGB
        self._size = (0, 0)
        self._has_outgrown_grey = False
        self._rows_added = 0
        self._images_decoded = 0
        self._pool = ThreadPoolExecutor(threads)

    def add(self, encoded: Sequence[bytes | None]) -> None:
        """Decode the next rows. Raises MissingValues for a null, and DatasetTooLarge before memory is taken."""
        if None in encoded:
            row = self._rows_added + list(encoded).index(None)
            raise MissingValues(f"Row {self.name(row)} has no image", field="dataset.input")
        if self._array is None:
            self._array = self._first_array(encoded)
        self._decode(encoded)
        if self._has_outgrown_grey:
            self._widen()
            self._decode(encoded)
        self._close_gaps(len(encoded))

    def _first_array(self, encoded: Sequence[bytes | None]) -> Images | None:
        first = next((image for data in encoded if (image := self._decode_image(data))), None)
        if first is None:
            return None
        channels, *size = first.shape(self.settings)
        self._mode = GREY if channels == 1 else RGB
        self._agree_on_size((size[1], size[0]))
        return self._allocated()

    def _agree_on_size(self, own: tuple[int, int] | None) -> None:
        """Take the size of the dataset's first image, whichever owner has it."""
        self._size = next((size for size in exchanged(own) if size), (0, 0))

    def _allocated(self) -> Images:
        width, height = self._size
        description = f"{self.rows} images of {width}x{height} pixels"
        return self.allocate((self.rows, len(self._mode), height, width), np.uint8, description)

    def _widen(self) -> None:
        """Go on with three channels."""
        grey, self._mode = self._array, RGB
        self._array = self._allocated()
        assert grey is not None, "only an array can be too narrow"  # noqa: S101
        self._array[: self._images_decoded] = grey[: self._images_decoded]
        self._has_outgrown_grey = False

    def _decode(self, encoded: Sequence[bytes | None]) -> None:
        starts = range(0, len(encoded), CHUNK)
        list(self._pool.map(lambda start: self._decode_chunk(encoded[start : start + CHUNK], start), starts))

    def _decode_chunk(self, encoded: Sequence[bytes | None], start: int) -> None:
        for number, data in enumerate(encoded, start):
            if self._has_outgrown_grey:  # all of this is decoded again
                return
            if image := self._decode_image(data):
                self._put(image, number)

    def _decode_image(self, data: bytes | None) -> DecodedImage | None:
        return decode_image(data, self.settings)

    def _put(self, image: DecodedImage, number: int) -> None:
        """Make this the image of the row that so many follow after those added before."""
        assert self._array is not None, "an image that can be decoded has made one"  # noqa: S101
        if image.has_colour and self._mode == GREY and self.settings.colour is None:
            self._has_outgrown_grey = True
            return
        row, pixels = self._rows_added + number, self._pixels(image.picture)
        self._array[self._images_decoded + number] = pixels
        self._facts[row] = facts_of(image, size=self._size)
        self._digests[row] = digest_of(pixels)
        self.decoded[row] = True

    def _pixels(self, image: Image.Image) -> UInt8[np.ndarray, "channels height width"]:
        image = image if image.mode == self._mode else image.convert(self._mode)
        image = image if image.size == self._size else image.resize(self._size, Image.Resampling.BILINEAR)
        return channels_first(image)

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
        if self._array is None:
            self._agree_on_size(None)
        self._refuse_undecodable(max_undecodable)
        self._agree_on_colour()
        assert self._array is not None, "there are images of a size"  # noqa: S101
        return self._array[: self._images_decoded]

    def _refuse_undecodable(self, tolerated: float) -> None:
        undecodable = np.flatnonzero(~self.decoded)
        named = [self.name(int(row)) for row in undecodable[:SHOWN]]
        parts = exchanged((len(undecodable), self.rows, named))
        lost, rows = sum(part[0] for part in parts), sum(part[1] for part in parts)
        if lost == rows or lost > tolerated * rows:
            first = ", ".join([name for part in parts for name in part[2]][:SHOWN])
            raise UndecodableImages(f"{lost} of {rows} images, first rows: {first}", field="dataset.input")

    def _agree_on_colour(self) -> None:
        """Have three channels if any owner's images do, and as many as the others if none here can be decoded."""
        modes = {mode for mode in exchanged(self._array is not None and self._mode) if mode}
        mode = RGB if RGB in modes else GREY
        if self._array is None:
            self._mode, self._array = mode, self._allocated()
        elif mode != self._mode:
            self._widen()

    def findings(self, name: Callable[[int], str] | None = None) -> ImageFindings:
        """Return what was found out about the images so far, by all owners.

        ``name``: what warnings call a row of the dataset, if not what they call one of this owner.
        """
        parts = exchanged((self._facts, self._digests, self.decoded))
        facts, digests, decoded = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return ImageFindings(facts, digests, decoded, self._size, self.settings, name or self.name)


def decoded_shape(first: bytes | None, settings: ImageSettings = AS_STORED) -> tuple[int, int, int] | None:
    """Return the least shape of the decoded images if this is the first of them: others may add colour.

    None if it cannot be decoded: another one decides then.
    """
    image = decode_image(first, settings)
    return image.shape(settings) if image else None
