"""How much memory a pretrained model takes, by the shapes of its weights. Torch-free.

What its texts add depends on their lengths, which nobody knows before they are tokens: the longest are assumed.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ted_core.proxies.model_config import model_config
from ted_core.proxies.model_size import FLOAT, ModelSize
from ted_core.proxies.pretrained_settings import (
    CPU_BUDGET,
    LONGEST_DIALOGUE,
    LONGEST_TEXT,
    MOST_REMEMBERED_BLOCKS,
    RANK,
)
from ted_core.proxies.weight_headers import WeightHeader, block_names, weight_headers

MATRIX = 2
"""Axes of a linear layer's weight."""
ANSWERS = 0.5
"""The share of a conversation's tokens for which the vocabulary's logits are calculated."""
LOGITS = 3
"""Copies of them: as the model gives them, as probabilities, and their gradients."""
TRAINED_PASSES, ADAPTED_PASSES = 3, 2
"""Multiplications with each weight of a layer on the way forth and back: weights that only an adapter changes need no
gradients of their own."""
MOST_MODELS = 3
"""The twins, and the first of them before training or a candidate's."""
HEADS = ("pooler", "cls", "lm_head", "classifier", "score", "qa_outputs", "vocab_projector", "vocab_transform")
"""Parts that an encoder is trained without."""


def frozen_bytes(model: Path | None) -> int:
    """Return the bytes of the weights in float32; 0 if they are unknown. Raises UnknownModel."""
    return FLOAT * _numbers(_body(model)) if model else 0


def encoder(model: Path, classes: int, *, train_blocks: int | None = None) -> ModelSize | None:
    """Return the size of a pretrained encoder, all of it or its last blocks trained; None if its weights are unknown.

    Each linear layer leaves what it was given and what it gave. What is not trained is in memory for each model, and
    never more often than for the twins and a candidate. Raises UnknownModel.
    """
    weights = _body(model)
    if not _layers(weights):
        return None
    trained = _trained(weights, train_blocks)
    layers = _layers(trained)
    width = _embedding(weights).shape[1]
    length = _longest(model, LONGEST_TEXT)
    frozen = [weight for weight in weights if not weight.block] if train_blocks else []
    return ModelSize(
        _numbers(trained) + (width + 1) * classes,
        saved_bytes=FLOAT * length * (sum(map(_sides, layers)) + _given(train_blocks, width)),
        largest_bytes=FLOAT * length * _widest(layers),
        frozen_bytes=FLOAT * MOST_MODELS * _numbers(frozen),
        rows_at_once=max(1, CPU_BUDGET // length),
        training_work=TRAINED_PASSES * _numbers(layers),
        frozen_work=_numbers(_layers(weights)) - _numbers(layers),
    )


def adapter(model: Path, _: int, *, train_blocks: int | None = None) -> ModelSize | None:
    """Return the size of a LoRA adapter around a frozen language model; None if the model's weights are unknown.

    Many layers keep only what they were given, and one block at a time is calculated again; of a few, each linear layer
    leaves what it was given and what it gave. At the end of an answer's tokens stand the logits of the vocabulary.
    Raises UnknownModel.
    """
    weights = _untied(model)
    if not _layers(weights):
        return None
    layers = _layers(_trained(weights, train_blocks))
    words, width = _embedding(weights).shape
    length = _longest(model, LONGEST_DIALOGUE)
    logits = round(ANSWERS * words)
    again = train_blocks is None or train_blocks > MOST_REMEMBERED_BLOCKS
    kept = _remembered(layers, width, logits=LOGITS * logits, again=again)
    return ModelSize(
        RANK * sum(map(_sides, layers)),
        saved_bytes=FLOAT * length * (kept + _given(train_blocks, width)),
        largest_bytes=FLOAT * length * max(logits, _widest(layers)),
        frozen_bytes=FLOAT * _numbers(weights),
        rows_at_once=max(1, CPU_BUDGET // length),
        training_work=(ADAPTED_PASSES + again) * _numbers(layers) + ADAPTED_PASSES * logits * width,
        frozen_work=_numbers(_layers(weights)) - _numbers(layers),
    )


def _remembered(layers: Sequence[WeightHeader], width: int, *, logits: int, again: bool) -> int:
    """How many numbers stay in memory of each token for the way back, on which blocks may be calculated again."""
    blocks = defaultdict[str, int](int)
    for layer in layers:
        blocks[layer.block] += _sides(layer)
    if again:
        return len(blocks) * width + max(logits, *blocks.values())
    return sum(blocks.values()) + logits


def _given(train_blocks: int | None, width: int) -> int:
    """How many numbers a batch holds of each token beside its id."""
    return width if train_blocks else 0


def _trained(weights: Sequence[WeightHeader], train_blocks: int | None) -> Sequence[WeightHeader]:
    """Those of the last blocks; all if there is no telling them from others."""
    if train_blocks is None:
        return weights
    last = {*block_names(weights)[-train_blocks:]}
    return [weight for weight in weights if weight.block in last]


def _body(model: Path) -> Sequence[WeightHeader]:
    """Without heads and poolers."""
    return [weight for weight in weight_headers(model) if not set(weight.name.split(".")) & {*HEADS}]


def _untied(model: Path) -> Sequence[WeightHeader]:
    """Without a last layer that is the embedding itself, if the file repeats it."""
    tied = model_config(model).get("tie_word_embeddings") is True
    return [weight for weight in weight_headers(model) if not (tied and weight.name == "lm_head.weight")]


def _layers(weights: Sequence[WeightHeader]) -> Sequence[WeightHeader]:
    """The linear layers' weights: matrices in numbered blocks."""
    return [weight for weight in weights if len(weight.shape) == MATRIX and weight.block]


def _embedding(weights: Sequence[WeightHeader]) -> WeightHeader:
    """The table with a row for each word: the longest matrix outside of the blocks."""
    matrices = [weight for weight in weights if len(weight.shape) == MATRIX and not weight.block]
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
