"""Samples → what a pretrained model's frozen blocks make of their tokens, once for all models that train on them."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ted_core.datasets import Samples
from ted_core.datasets.samples import Dialogues, Texts
from ted_core.errors import DatasetTooLarge
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.precision import multiplies_bfloat16
from ted_core.proxies.pretrained.blocks import FrozenBlocks
from ted_core.proxies.pretrained.encoder import half_precision
from ted_core.proxies.pretrained.loading import config_of, model_files
from ted_core.proxies.pretrained.tokenization import token_key, tokenize
from ted_core.proxies.pretrained.tokens import HiddenStates, places_of
from ted_core.row_count import count_rows
from ted_core.storage import memmap
from ted_core.storage.content_cache import files_digest, key_of, load_or_create, trim
from ted_core.training.token_batches import TokenBatches

FLOAT = 4
"""Bytes of a number. It is kept as it was calculated: a model that takes it trains as one that calculates it anew."""
ENDING = ".hidden.npy"


def hidden_states(samples: Samples, proxy: ResolvedProxy, *, device: str = "cpu") -> HiddenStates:
    """What the first trained block is given for each token, one sample after another.

    If the samples have a cache, it is a file there that is mapped into memory. Raises UnknownModel, ProxyMismatch,
    TooManyBlocks, and DatasetTooLarge if the cache may not hold so much.
    """
    folder, tokens = proxy.pretrained_model, tokenize(samples, proxy.pretrained_model)
    shape = len(tokens.ids), config_of(folder).hidden_size
    if samples.cache is None:
        return _fill(np.zeros(shape, np.float32), samples, proxy, device)
    _make_room(samples, size=FLOAT * shape[0] * shape[1], proxy=proxy)

    def write(path: Path) -> None:
        states = memmap.create_memmap(path, shape, np.float32)
        _fill(states, samples, proxy, device)
        states.flush()

    key = _key(samples, proxy, device)
    return load_or_create(samples.cache, key, ENDING, write=write, read=memmap.read_memmap)


def _make_room(samples: Samples, *, size: int, proxy: ResolvedProxy) -> None:
    if samples.cache is None or samples.cache_bytes is None:
        return
    if size > samples.cache_bytes:
        fact = f"What {proxy.training.model} makes of the tokens below {proxy.training.train_blocks} blocks takes"
        raise DatasetTooLarge(f"{fact} {size:,} bytes of {samples.cache_bytes:,}", field="proxy.train_blocks")
    trim(samples.cache, at_most=samples.cache_bytes - size)


def _key(samples: Samples, proxy: ResolvedProxy, device: str) -> str:
    """Devices calculate in different precisions; with other versions or threads, sums may be rounded otherwise."""
    assert isinstance(samples.inputs, Texts | Dialogues)  # noqa: S101
    kind, folder = torch.device(device), proxy.pretrained_model
    made_by = [kind.type, multiplies_bfloat16(kind), torch.__version__, version("transformers")]
    threads = torch.get_num_threads() if kind.type == "cpu" else None
    of, model = token_key(samples.inputs, folder), files_digest(model_files(folder))
    return key_of(inputs=of, model=model, made_by=made_by, threads=threads, below=proxy.training.train_blocks)


def _fill(states: HiddenStates, samples: Samples, proxy: ResolvedProxy, device: str) -> HiddenStates:
    """The same array, filled; the longest samples first, in batches that are never cut: rounding depends on them."""
    blocks = _frozen_blocks(proxy).to(device).eval()
    table, done = TokenBatches(samples, proxy.pretrained_model, device=device), 0
    order = table.cheapest_order(np.arange(len(samples)))
    for batch, _ in table.in_order(order):
        rows = order[done : done + len(batch.ids)]
        with torch.inference_mode(), half_precision(batch.ids.device):
            if done == 0:
                blocks.require_enough(batch)
            states[places_of(table.tokens, rows)[1]] = blocks(batch)[batch.mask].float().cpu().numpy()
        done += len(rows)
        count_rows(len(rows))
    return states


def _frozen_blocks(proxy: ResolvedProxy) -> FrozenBlocks:
    assert proxy.family.frozen_blocks, "a proxy with frozen blocks says where they are"  # noqa: S101
    module, function = proxy.family.frozen_blocks.split(":")
    make: Callable[[Path, int | None], FrozenBlocks] = getattr(import_module(module), function)
    return make(proxy.pretrained_model, proxy.training.train_blocks)
