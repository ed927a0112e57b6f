"""Samples → the vectors that a frozen pretrained model makes of them, once for all models that train on them."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from ted_core.datasets import Samples
from ted_core.datasets.spec import InputKind
from ted_core.proxies.precision import multiplies_bfloat16
from ted_core.proxies.pretrained.encoder import pooled_encoder
from ted_core.proxies.pretrained.input_digest import digest_of
from ted_core.proxies.pretrained.loading import model_files
from ted_core.proxies.pretrained.tokenization import token_key
from ted_core.proxies.pretrained.vision import image_features
from ted_core.row_count import count_rows
from ted_core.storage import memmap
from ted_core.storage.content_cache import files_digest, key_of, load_or_create
from ted_core.training.token_batches import TokenBatches

Features = Float32[np.ndarray, "samples features"]
FeatureChunks = Iterator[tuple[np.ndarray, Tensor]]
"""Numbers of some samples, and their vectors."""


def features(samples: Samples, folder: Path, *, device: str = "cpu") -> Features:
    """One vector per sample: the mean over a text's tokens, or what the model itself pools of an image.

    If the samples have a cache, the vectors are kept in a file there. Raises UnknownModel, ProxyMismatch.
    """
    make = MAKES[samples.kind]

    def write(path: Path) -> None:
        _fill(lambda *shape: memmap.create_memmap(path, shape, np.float32), make(samples, folder, device), len(samples))

    if samples.cache is None:
        return _fill(lambda *shape: np.zeros(shape, np.float32), make(samples, folder, device), len(samples))
    return load_or_create(
        samples.cache, _key(samples, folder, device), ".features.npy", write=write, read=memmap.read_memmap
    )


def _key(samples: Samples, folder: Path, device: str) -> str:
    """Devices calculate in different precisions, and other versions may round otherwise."""
    kind, versions = torch.device(device), [torch.__version__, version("transformers")]
    made_by = [kind.type, multiplies_bfloat16(kind), *versions]
    inputs = samples.inputs
    of = digest_of(inputs) if isinstance(inputs, np.ndarray) else token_key(inputs, folder)
    return key_of(inputs=of, model=files_digest(model_files(folder)), made_by=made_by)


def _fill(allocate: Callable[[int, int], np.ndarray], parts: FeatureChunks, samples: int) -> Features:
    """The vectors of all samples, in an array that is asked for once their width is known."""
    result: np.ndarray | None = None
    for numbers, vectors in parts:
        result = allocate(samples, vectors.shape[1]) if result is None else result
        result[numbers] = vectors.float().cpu().numpy()
        count_rows(len(vectors))
    assert result is not None, "a dataset has rows"  # noqa: S101
    return result


def _of_texts(samples: Samples, folder: Path, device: str) -> FeatureChunks:
    model = pooled_encoder(folder).to(device).eval()
    table, done = TokenBatches(samples, folder, device=device), 0
    order = table.cheapest_order(np.arange(len(samples)))
    for batch, _ in table.in_order(order):
        with torch.inference_mode():
            vectors = model(batch)
        yield order[done : done + len(vectors)], vectors
        done += len(vectors)


def _of_images(samples: Samples, folder: Path, device: str) -> FeatureChunks:
    assert isinstance(samples.inputs, np.ndarray)  # noqa: S101
    return image_features(samples.inputs, folder, device=device)


MAKES: Mapping[InputKind, Callable[[Samples, Path, str], FeatureChunks]] = {"text": _of_texts, "image": _of_images}
