"""Independent streams of random numbers: one for each use, all of them from one seed.

``default_rng((7, 2))`` and ``default_rng((7, 2, 0))`` are the same stream, because numpy pads seeds with zeros. A
``spawn_key`` is appended behind the padding, so that keys that differ in any way, in length too, lead to streams that
have nothing in common.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """What random numbers are for. Selections hang on these values: give a new use a new one, and change none.

    What is in brackets is the path that ``stream_rng`` and ``stream_seed`` take behind the stream.
    """

    TWIN_FOLDS = 0
    """Which half of the samples each twin never trains on."""
    TWIN_WEIGHTS = 1
    """The initial weights of a twin (twin)."""
    TWIN_BATCHES = 2
    """The order of a twin's rows in an epoch, and their augmentation (twin, epoch)."""
    TWIN_CURVATURE = 3
    """The rows at which a twin's curvature is measured (twin)."""
    POISSON_SAMPLING = 4
    """What decides, together with their scores, which samples are retained."""
    SEARCH_HELD_OUT = 5
    """The samples that no candidate is trained on."""
    SEARCH_WEIGHTS = 6
    """The initial weights that all candidates share."""
    SEARCH_BATCHES = 7
    """The order of a candidate's rows in an epoch, and their augmentation (epoch)."""
    BASELINE_WEIGHTS = 8
    """The initial weights of a model that a baseline trains (run)."""
    BASELINE_BATCHES = 9
    """The order of its rows in an epoch, and their augmentation (run, epoch)."""
    UNIFORM_SAMPLING = 10
    """Which rows are kept by the method ``random``."""
    GROUP_SAMPLING = 11
    """Which members of a class or stratum are kept."""
    WEIGHTED_SAMPLING = 12
    """Gumbel noise: which rows DUAL keeps."""
    TIES = 13
    """The order of samples that have the same score."""
    ORDER_WITHIN_LEVELS = 14
    """The order among the samples that were sampled, and among those that were not."""
    FIT_WEIGHTS = 15
    """The initial weights of a model that is trained on a selection."""
    FIT_BATCHES = 16
    """The order of its rows in an epoch, and their augmentation (epoch)."""
    COMPARISON_ROWS = 17
    """The random rows that a selection is compared with."""
    DEMO_SPLIT = 18
    """The rows of the demonstration that are held back for testing."""
    SAMPLER_ROWS = 19
    """The rows of an epoch, and their order, in a trainer's own run (epoch)."""


def stream_rng(seed: int, stream: IntEnum, *path: int) -> np.random.Generator:
    """A new generator at the beginning of the stream; equal arguments give equal numbers."""
    return np.random.default_rng(_sequence(seed, stream, path))


def stream_seed(seed: int, stream: IntEnum, *path: int) -> int:
    """64 bits of the stream, for generators that are not numpy's, such as torch's."""
    return int(_sequence(seed, stream, path).generate_state(1, np.uint64)[0])


def _sequence(seed: int, stream: IntEnum, path: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(stream, *path))
