"""How much memory a pretrained model takes, by the shapes of its weights. Torch-free.

What its texts add depends on their lengths, which nobody knows before they are tokens: the longest are assumed.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ted_core.proxies.model_config import model_config
from ted_core.proxies.model_size import FLOAT, ModelSize
from ted_core.proxies.pretrained_settings import CPU_BUDGET, LONGEST_DIALOGUE, LONGEST_TEXT, RANK
from ted_core.proxies.weight_headers import WeightHeader, weight_headers

MATRIX = 2
"""Axes of a linear layer's weight."""
ANSWERS = 0.5
"""The share of a conversation's tokens for which the vocabulary's logits are calculated."""
LOGITS = 3
"""Copies of them: as the model gives them, as probabilities, and their gradients."""
HEADS = ("pooler", "cls", "lm_head", "classifier", "score", "qa_outputs", "vocab_projector", "vocab_transform")
"""Parts that an encoder is trained without."""


def frozen_bytes(model: Path | None) -> int:
    """Return the bytes of the weights in float32; 0 if they are unknown. Raises UnknownModel."""
    return FLOAT * _numbers(_body(model)) if model else 0


def encoder(model: Path, classes: int) -> ModelSize | None:
    """Return the size of a pretrained encoder, all of it trained; None if its weights are unknown.

    Each linear layer leaves what it was given and what it gave. Raises UnknownModel.
    """
    weights = _body(model)
    layers = _layers(weights)
    if not layers:
        return None
    width = _embedding(weights).shape[1]
    length = _longest(model, LONGEST_TEXT)
    return ModelSize(
        _numbers(weights) + (width + 1) * classes,
        saved_bytes=FLOAT * length * sum(map(_sides, layers)),
        largest_bytes=FLOAT * length * _widest(layers),
        rows_at_once=max(1, CPU_BUDGET // length),
    )


def adapter(model: Path, _: int) -> ModelSize | None:
    """Return the size of a LoRA adapter around a frozen language model; None if the model's weights are unknown.

    The model's layers keep only what they were given, and one at a time is calculated again; at the end of an answer's
    tokens stand the logits of the vocabulary. Raises UnknownModel.
    """
    weights = _untied(model)
    layers = _layers(weights)
    if not layers:
        return None
    words, width = _embedding(weights).shape
    length = _longest(model, LONGEST_DIALOGUE)
    blocks = defaultdict[str, int](int)
    for layer in layers:
        blocks[_block(layer)] += _sides(layer)
    logits = round(ANSWERS * words)
    return ModelSize(
        RANK * sum(map(_sides, layers)),
        saved_bytes=FLOAT * length * (len(blocks) * width + max(LOGITS * logits, *blocks.values())),
        largest_bytes=FLOAT * length * max(logits, _widest(layers)),
        frozen_bytes=FLOAT * _numbers(weights),
        rows_at_once=max(1, CPU_BUDGET // length),
    )


def _body(model: Path) -> Sequence[WeightHeader]:
    """Without heads and poolers."""
    return [weight for weight in weight_headers(model) if not set(weight.name.split(".")) & {*HEADS}]


def _untied(model: Path) -> Sequence[WeightHeader]:
    """Without a last layer that is the embedding itself, if the file repeats it."""
    tied = model_config(model).get("tie_word_embeddings") is True
    return [weight for weight in weight_headers(model) if not (tied and weight.name == "lm_head.weight")]


def _layers(weights: Sequence[WeightHeader]) -> Sequence[WeightHeader]:
    """The linear layers' weights: matrices in numbered blocks."""
    return [weight for weight in weights if len(weight.shape) == MATRIX and _block(weight)]


def _block(weight: WeightHeader) -> str:
    """The numbered part of the model that it belongs to, such as ``encoder.layer.0``; empty if it is another one."""
    parts = weight.name.split(".")
    number = next((place for place, part in enumerate(parts) if part.isdecimal()), -1)
    return ".".join(parts[: number + 1])


def _embedding(weights: Sequence[WeightHeader]) -> WeightHeader:
    """The table with a row for each word: the longest matrix outside of the blocks."""
    matrices = [weight for weight in weights if len(weight.shape) == MATRIX and not _block(weight)]
    return max(matrices, key=lambda weight: weight.shape[0], default=WeightHeader("", (0, 0)))


def _longest(model: Path, at_most: int) -> int:
    """Tokens of one text, padding included."""
    stated = model_config(model).get("max_position_embeddings")
    return min(at_most, stated) if isinstance(stated, int) and stated > 0 else at_most


def _numbers(weights: Sequence[WeightHeader]) -> int:
    return sum(weight.numbers for weight in weights)


def _sides(weight: WeightHeader) -> int:
    """Inputs and outputs of a linear layer."""
    return sum(weight.shape)


def _widest(layers: Sequence[WeightHeader]) -> int:
    return max(max(layer.shape) for layer in layers)
