"""What a pretrained language model knows before any training, to tell what training adds."""

import numpy as np
from jaxtyping import Float32

from ted_core.datasets import Samples
from ted_core.proxies import Training
from ted_core.proxies.build import build
from ted_core.tables import table_of
from ted_core.training import Trainee


def base_performance(samples: Samples, proxy: Training, *, device: str = "cpu") -> Float32[np.ndarray, " samples"]:
    """Each dialogue's performance under the model as it came: an untrained adapter changes nothing.

    Raises UnknownModel, NothingToLearn.
    """
    untrained = Trainee(build(proxy, samples, seed=0), proxy, device=device)
    return untrained.performance(table_of(samples, proxy, device=device), np.arange(len(samples)))
