"""What the files of a pretrained model say about it before any library opens them. Torch-free."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ted_core.datasets.spec import InputKind
from ted_core.errors import ProxyMismatch, UnknownModel

FIELD = "proxy.model"
CAUSAL = ("ForCausalLM", "LMHeadModel")
"""How transformers name the architectures that say one token after another."""
TOKENIZERS = ("tokenizer.json", "vocab*", "*.model")
"""The files of which a tokenizer needs one at least."""
PREPROCESSING = "preprocessor_config.json"
READERS: dict[InputKind, tuple[str, ...]] = {"text": TOKENIZERS, "dialogue": TOKENIZERS, "image": (PREPROCESSING,)}
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
ADAPTER = "adapter_config.json"
COLOURS = 3
LARGEST_SIDE = 4096
"""Pixels; no model sees more of an image."""


class ImagePreprocessing(NamedTuple):
    """What a model of images was trained on."""

    size: tuple[int, int]
    """Height and width in pixels."""
    mean: Sequence[float]
    """Of red, green and blue, as the standard deviations."""
    std: Sequence[float]


def require_reader(path: Path, kind: InputKind) -> None:
    """Raise UnknownModel or ProxyMismatch unless the model can take inputs of this kind, as far as its files show.

    Its folder must hold weights and what turns such inputs into the model's own, and its configuration name no model
    of another kind.
    """
    if path.is_file():
        _require_gguf(path, kind)
        return
    patterns = READERS.get(kind, ())
    if patterns and not any(any(path.glob(pattern)) for pattern in patterns):
        raise UnknownModel(f"{path.name} reads no {kind}s: it holds no {' or '.join(patterns)}", field=FIELD)
    _require_weights(path)
    REQUIREMENTS[kind](path, model_config(path))


def _require_gguf(path: Path, kind: InputKind) -> None:
    """A GGUF file holds a causal language model with its tokenizer."""
    if kind == "image":
        raise ProxyMismatch(f"{path.name} is a language model, which sees no images", field=FIELD)


def _require_weights(path: Path) -> None:
    if (path / ADAPTER).exists():
        raise UnknownModel(f"{path.name} holds an adapter; merge it into its base model", field=FIELD)
    if not any((path / name).exists() for name in WEIGHTS):
        raise UnknownModel(f"{path.name} holds no {' or '.join(WEIGHTS)}", field=FIELD)


def _require_text_model(path: Path, config: Mapping[str, Any]) -> None:
    _refuse_pairs(path, config)
    if _sees_images(config) and not _reads_texts(config):
        raise ProxyMismatch(f"{path.name} is a model of images, which reads no texts", field=FIELD)


def _require_image_model(path: Path, config: Mapping[str, Any]) -> None:
    _refuse_pairs(path, config)
    if _reads_texts(config) and not _sees_images(config):
        raise ProxyMismatch(f"{path.name} is a model of texts, which sees no images", field=FIELD)
    preprocessing(path)


def _require_language_model(path: Path, config: Mapping[str, Any]) -> None:
    stated = config.get("architectures")
    names = stated if isinstance(stated, list) else []
    if names and not any(str(name).endswith(CAUSAL) for name in names):
        raise ProxyMismatch(f"{path.name} is no causal language model", field=FIELD)
    _require_text_model(path, config)


def _refuse_pairs(path: Path, config: Mapping[str, Any]) -> None:
    """Raise ProxyMismatch for two models in one: an encoder with its decoder, one of texts with one of images."""
    if config.get("is_encoder_decoder") is True:
        raise ProxyMismatch(f"{path.name} is an encoder with a decoder; name a model of one part", field=FIELD)
    if {"text_config", "vision_config"} <= config.keys():
        raise ProxyMismatch(f"{path.name} is a model of texts and images at once; name one of either", field=FIELD)


def _sees_images(config: Mapping[str, Any]) -> bool:
    return any(name in config for name in ("image_size", "patch_size", "num_channels"))


def _reads_texts(config: Mapping[str, Any]) -> bool:
    return "vocab_size" in config


REQUIREMENTS: Mapping[InputKind, Callable[[Path, Mapping[str, Any]], None]] = {
    "text": _require_text_model,
    "image": _require_image_model,
    "dialogue": _require_language_model,
}


def preprocessing(folder: Path) -> ImagePreprocessing:
    """Return what the folder's preprocessor_config.json states. Raises UnknownModel."""
    try:
        stated = json.loads((folder / PREPROCESSING).read_bytes())
        size = _size(stated.get("crop_size") or stated["size"])
        mean, std = (_colours(stated[name]) for name in ("image_mean", "image_std"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fact = f"{folder.name} holds no {PREPROCESSING} that states size, image_mean and image_std"
        raise UnknownModel(fact, field=FIELD) from error
    return ImagePreprocessing(size, mean, std)


def _size(stated: dict[str, int] | int) -> tuple[int, int]:
    """Height and width in pixels. Raises ValueError for what they cannot be."""
    edge = stated if isinstance(stated, int) else stated.get("shortest_edge")
    height, width = (edge, edge) if edge or isinstance(stated, int) else (stated["height"], stated["width"])
    if not all(type(side) is int and 0 < side <= LARGEST_SIDE for side in (height, width)):
        raise ValueError("no size in pixels")
    return int(height or 0), int(width or 0)


def _colours(values: list[float]) -> list[float]:
    if len(values) != COLOURS or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise ValueError("not a number for each colour")
    return [float(value) for value in values]


def model_config(path: Path) -> dict[str, Any]:
    """The folder's config.json; empty if it cannot be read, which is for the libraries to report."""
    try:
        stated = json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return stated if isinstance(stated, dict) else {}
