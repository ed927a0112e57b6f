"""The part of a dataset to train on, according to a manifest. It needs ``ted-coreset[manifest]``.

The library that a dataset belongs to is imported only when one of its datasets is passed.
"""

import ted_core.results  # noqa: F401 - it says what to install if that is not there
from ted_client.subset.adapters import retained
from ted_client.subset.samplers import ProgressiveSampler, WeightedSampler

__all__ = ["ProgressiveSampler", "WeightedSampler", "retained"]
