"""A language model's GGUF file → a folder with the same model, kept for later jobs.

Transformers parse a GGUF file anew for the configuration, the tokenizer and the weights, each time with every word of
the vocabulary in Python. A folder with the weights as safetensors is read in a fraction of that.
"""

from functools import partial
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from ted_core.proxies.pretrained.loading import config_of, model_of, tokenizer_of
from ted_core.storage.content_cache import key_of, load_or_create_folder
from ted_core.storage.file_digest import sha256_of

ENDING = ".model"
MADE_BY = ("transformers", "tokenizers", "gguf")


def unpack_gguf(path: Path, cache: Path) -> Path:
    """Return a folder of the cache with this file's model in float32, its configuration and its tokenizer.

    The folder's name ends with the digest of what is in it; a damaged one is made anew. Raises UnknownModel.
    """
    key = key_of(file=sha256_of(path), made_by=[version(name) for name in MADE_BY])
    return load_or_create_folder(cache, key, ENDING, write=partial(_write, path))


def _write(path: Path, folder: Path) -> None:
    config_of(path).save_pretrained(folder)
    tokenizer_of(path).save_pretrained(folder)
    weights = _weights(model_of(path, AutoModelForCausalLM))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """The model's own; of those that go by several names each under its first."""
    named, once = (dict(model.named_parameters(remove_duplicate=only)) for only in (False, True))
    repeated = named.keys() - once.keys()
    return {name: weight.contiguous() for name, weight in model.state_dict().items() if name not in repeated}
