"""Samples → the vectors that a frozen pretrained model makes of them, once for all models that train on them."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from ted_core.batches import measured
from ted_core.datasets import Samples
from ted_core.datasets.samples import Texts
from ted_core.text.caching import files_digest, kept, key_of
from ted_core.text.encoder import pooled_encoder
from ted_core.text.pretrained import model_files
from ted_core.text.tables import TokenTable
from ted_core.text.tokenization import token_key
from ted_core.text.vision import image_features

Features = Float32[np.ndarray, "samples features"]


def features(samples: Samples, folder: Path, *, device: str = "cpu") -> Features:
    """One vector per sample: of a text the mean over its tokens, of an image what the model itself pools.

    Those of texts are kept in the texts' cache. Raises UnknownModel, ProxyMismatch.
    """
    if isinstance(samples.inputs, np.ndarray):
        return image_features(samples.inputs, folder, device=device)
    assert isinstance(samples.inputs, Texts), "only texts and images have features"  # noqa: S101
    cache = samples.inputs.cache
    key = _key(samples.inputs, folder, device) if cache else ""
    return kept(cache, key, ".features.npy", make=partial(_of_texts, samples, folder, device), write=_write, read=_read)


def _key(texts: Texts, folder: Path, device: str) -> str:
    """A GPU calculates in another precision, and another torch may round otherwise."""
    made_by = [torch.device(device).type, torch.__version__]
    return key_of(tokens=token_key(texts, folder), model=files_digest(model_files(folder)), made_by=made_by)


@torch.inference_mode()
def _of_texts(samples: Samples, folder: Path, device: str) -> Features:
    model = pooled_encoder(folder).to(device).eval()
    table = TokenTable(samples, folder, device=device)
    return measured(table, np.arange(len(samples)), lambda batch, _: model(batch))


def _write(found: Features, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, found)


def _read(path: Path) -> Features:
    """The file's content, in place; what is changed in memory does not change the file."""
    found: Features = np.load(path, mmap_mode="c", allow_pickle=False)
    return found
