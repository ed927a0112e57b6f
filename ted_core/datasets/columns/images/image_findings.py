"""What decoding shows about images beside their pixels: nine bytes are kept of each, and warnings made of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntFlag
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64
from PIL import Image

from ted_core.datasets.columns.images.image_files import AS_STORED, RGB, USUAL_BACKGROUND, DecodedImage, ImageSettings
from ted_core.datasets.findings import warn
from ted_core.warnings import WarningCode

SHOWN = 5
FEWEST_EQUAL, MANY_EQUAL = 2, 10
"""So many images with the same pixels are worth a warning: more than half of them all, between these bounds."""
DISTORTED = 0.02
"""The change of proportions from which on pictures are called distorted; rounding to whole pixels is none."""
DIGEST_BYTES = 8


class ImageFact(IntFlag):
    """What an image's pixels do not tell once they are decoded and resized."""

    TRANSPARENT = 1
    SEVERAL_FRAMES = 2
    OTHER_SIZE = 4
    """Than the first image, which decides about the size of all."""
    OTHER_PROPORTIONS = 8


def facts_of(image: DecodedImage, *, size: tuple[int, int]) -> int:
    """Return what is worth remembering of the image, where all become this size: its ``ImageFact``s."""
    facts = 0  # of most images there is nothing, and flags take longer than the digest
    if image.has_transparency:
        facts |= ImageFact.TRANSPARENT
    if image.has_several_frames:
        facts |= ImageFact.SEVERAL_FRAMES
    if image.picture.size != size:
        facts |= ImageFact.OTHER_SIZE
        facts |= ImageFact.OTHER_PROPORTIONS if _is_distorted(image.picture, size) else 0
    return facts


def _is_distorted(picture: Image.Image, size: tuple[int, int]) -> bool:
    stretch = picture.width * size[1] / (picture.height * size[0])
    return max(stretch, 1 / stretch) > 1 + DISTORTED


def digest_of(pixels: UInt8[np.ndarray, "channels height width"]) -> int:
    """Return a number of 64 bits for the pixels: the same in grey and in colours that are all grey."""
    content, digest = np.ascontiguousarray(pixels).data, blake2b(digest_size=DIGEST_BYTES)
    for _ in range(len(RGB) // len(pixels)):
        digest.update(content)
    return int.from_bytes(digest.digest())


@dataclass(frozen=True)
class ImageFindings:
    """What was found out about the images of all rows."""

    facts: UInt8[np.ndarray, " rows"]
    """``ImageFact`` of each row."""
    digests: UInt64[np.ndarray, " rows"]
    """``digest_of`` each row's pixels."""
    decoded: Bool[np.ndarray, " rows"]
    """Of the others nothing is known."""
    size: tuple[int, int]
    """Width and height of all images, as they are now."""
    settings: ImageSettings
    name: Callable[[int], str]
    """What warnings call a row."""
    scope: str = ""
    """What warnings say of which images these are, if there are others."""

    @classmethod
    def of_arrays(cls, digests: UInt64[np.ndarray, " rows"], *, size: tuple[int, int]) -> "ImageFindings":
        """Return those of images that never were encoded, of which the pixels are all there is."""
        rows = len(digests)
        return cls(np.zeros(rows, np.uint8), digests, np.ones(rows, bool), size, AS_STORED, name=str)

    def warn(self) -> None:
        """Warn of all that may not be meant."""
        self._warn_of_undecodable()
        self._warn_of_equal()
        if self.settings.background is None:
            self._warn_of_transparent()
        if self.settings.size is None:
            self._warn_of_other_sizes()
        self._warn_of_several_frames()

    def _warn_of_undecodable(self) -> None:
        rows = np.flatnonzero(~self.decoded)
        self._warn(WarningCode.IMAGES_UNDECODABLE, rows, "cannot be decoded", field="dataset.input")

    def _warn_of_equal(self) -> None:
        rows = np.flatnonzero(self.decoded)
        _, groups, sizes = np.unique(self.digests[rows], return_inverse=True, return_counts=True)
        fewest = MANY_EQUAL if self.scope else FEWEST_EQUAL
        many = sizes >= np.clip(len(rows) // 2 + 1, fewest, MANY_EQUAL)
        if not many.any():
            return
        equal = rows[groups == sizes.argmax()]
        others = int(sizes[many].sum()) - len(equal)
        more = f"; {others:,} more are equal in groups of {sizes[many].min()} and more" if others else ""
        is_hidden = (self.facts[equal] & ImageFact.TRANSPARENT).any()
        field = "dataset.background" if is_hidden else "dataset.input"
        self._warn(WarningCode.IMAGES_EQUAL, equal, "have the same pixels", field=field, more=more)

    def _warn_of_transparent(self) -> None:
        fact = f"are transparent in part and are laid on {USUAL_BACKGROUND}"
        rows = self._rows_with(ImageFact.TRANSPARENT)
        self._warn(WarningCode.IMAGES_TRANSPARENT, rows, fact, field="dataset.background")

    def _warn_of_other_sizes(self) -> None:
        width, height = self.size
        distorted = len(self._rows_with(ImageFact.OTHER_PROPORTIONS))
        fact = f"are resized to the first one's {width}x{height} pixels, {distorted:,} of them distorted"
        rows = self._rows_with(ImageFact.OTHER_SIZE)
        self._warn(WarningCode.IMAGE_SIZES_DIFFER, rows, fact, field="dataset.image_size")

    def _warn_of_several_frames(self) -> None:
        rows = self._rows_with(ImageFact.SEVERAL_FRAMES)
        fact = "have several frames or pages, of which the first was read"
        self._warn(WarningCode.IMAGE_FRAMES_LEFT_OUT, rows, fact, field="dataset.input")

    def _rows_with(self, fact: ImageFact) -> Int64[np.ndarray, " some"]:
        return np.flatnonzero(self.decoded & (self.facts & fact > 0))

    def _warn(
        self, code: WarningCode, rows: Int64[np.ndarray, " some"], fact: str, *, field: str, more: str = ""
    ) -> None:
        """Warn of these images, if there are any."""
        if len(rows):
            first = ", ".join(self.name(int(row)) for row in rows[:SHOWN])
            among = f"{len(rows):,} of {self.scope}{len(self.facts):,} images"
            warn(code, f"{among} {fact}, first rows: {first}{more}", field=field)


class FirstLook(NamedTuple):
    """What a dataset's first images show."""

    shape: tuple[int, int, int] | None
    """The least shape of all images; None if none of these can be decoded."""
    findings: ImageFindings


def look_at_first(
    images: Iterable[DecodedImage | None], settings: ImageSettings, *, name: Callable[[int], str]
) -> FirstLook:
    """Look at some images, after which others may come, one at a time; None is one that cannot be decoded."""
    shape, size = None, (0, 0)
    facts, digests, decoded = list[int](), list[int](), list[bool]()
    for image in images:
        if image and shape is None:
            shape = image.shape(settings)
            size = shape[2], shape[1]
        if image and shape:  # one in colour makes all of them so
            shape = max(shape[0], image.shape(settings)[0]), *shape[1:]
        decoded.append(image is not None)
        facts.append(facts_of(image, size=size) if image else 0)
        digests.append(digest_of(image.pixels) if image else 0)
    arrays = np.array(facts, np.uint8), np.array(digests, np.uint64), np.array(decoded, bool)
    return FirstLook(shape, ImageFindings(*arrays, size, settings, name, scope="the first "))
