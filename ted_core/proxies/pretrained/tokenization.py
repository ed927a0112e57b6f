"""Texts and dialogues → tokens, kept as an Arrow file if there is a folder for it."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import tokenizers
import transformers
from transformers import PreTrainedConfig, PreTrainedTokenizerFast

from ted_core.datasets import Samples
from ted_core.datasets.samples import Dialogues, Texts
from ted_core.errors import UnknownModel
from ted_core.proxies.pretrained.chat_template import encode_dialogue
from ted_core.proxies.pretrained.input_digest import digest_of
from ted_core.proxies.pretrained.loading import FIELD, config_of, max_tokens, settings_files, tokenizer_of
from ted_core.proxies.pretrained.tokens import Tokens, offsets_of
from ted_core.proxies.pretrained_settings import LONGEST_DIALOGUE, LONGEST_TEXT
from ted_core.storage.content_cache import files_digest, key_of, load_or_create

LAYOUT = 2
"""Of the Arrow file, and of what it holds for a text; part of its name, so that files of another layout are left
alone."""
CHUNK = 4096
"""Samples that are made to tokens at a time; Python's lists of them take ten times the memory of the arrays."""
PAD = b"pad"
"""The key of ``Tokens.pad`` in the file's metadata."""
Ragged = Sequence[Sequence[int]]


def tokenize(samples: Samples, model: Path) -> Tokens:
    """Tokenize texts or dialogues with the vocabulary of the model in this folder or GGUF file.

    Pairs of texts become one sequence. What is longer than the model takes is cut. Raises UnknownModel.
    """
    inputs = samples.inputs
    assert isinstance(inputs, Texts | Dialogues), "only texts and dialogues have tokens"  # noqa: S101
    if samples.cache is None:
        return _made(samples, model)
    key = token_key(inputs, model)
    return load_or_create(
        samples.cache, key, ".tokens.arrow", write=lambda path: _write(_made(samples, model), path), read=_read
    )


def token_key(inputs: Texts | Dialogues, model: Path) -> str:
    """A digest of all that the tokens depend on: the tokenizer, the settings here and the texts."""
    return key_of(
        layout=LAYOUT,
        longest=[LONGEST_TEXT, LONGEST_DIALOGUE],
        libraries=[tokenizers.__version__, transformers.__version__],
        tokenizer=files_digest(settings_files(model)),
        texts=digest_of(inputs),
    )


def _made(samples: Samples, model: Path) -> Tokens:
    tokenizer, config = tokenizer_of(model), config_of(model)
    make = _of_texts if isinstance(samples.inputs, Texts) else _of_dialogues
    return _known(Tokens.concatenate([*make(samples, tokenizer, config)]), model, config)


def _known(tokens: Tokens, model: Path, config: PreTrainedConfig) -> Tokens:
    """The same tokens, all of which the model knows. Raises UnknownModel."""
    words, last = getattr(config, "vocab_size", None), int(tokens.ids.max())
    if words is not None and last >= words:
        fact = f"The tokenizer of {model.name} writes token {last}, its model knows {words}"
        raise UnknownModel(fact, field=FIELD)
    return tokens


def _of_texts(samples: Samples, tokenizer: PreTrainedTokenizerFast, config: PreTrainedConfig) -> Iterator[Tokens]:
    texts = samples.inputs
    assert isinstance(texts, Texts)  # noqa: S101
    typed = len(texts.parts) > 1 and getattr(config, "type_vocab_size", 0) > 1
    options = {"truncation": True, "max_length": _room(LONGEST_TEXT, tokenizer, config)}
    for start in range(0, len(texts), CHUNK):
        parts = [part.slice(start, CHUNK).to_pylist() for part in texts.parts]
        encoding = tokenizer(*parts, **options, return_token_type_ids=typed, return_attention_mask=False)
        yield _tokens(encoding["input_ids"], tokenizer, types=encoding["token_type_ids"] if typed else None)


def _of_dialogues(samples: Samples, tokenizer: PreTrainedTokenizerFast, config: PreTrainedConfig) -> Iterator[Tokens]:
    assert isinstance(samples.inputs, Dialogues)  # noqa: S101
    room = _room(LONGEST_DIALOGUE, tokenizer, config)
    for start in range(0, len(samples), CHUNK):
        turns = samples.inputs.turns.slice(start, CHUNK).to_pylist()
        rows = samples.row_index[start : start + CHUNK].tolist()
        encoded = [
            encode_dialogue(dialogue, tokenizer, room, row=row) for dialogue, row in zip(turns, rows, strict=True)
        ]
        yield _tokens([ids for ids, _ in encoded], tokenizer, answers=[answers for _, answers in encoded])


def _room(at_most: int, tokenizer: PreTrainedTokenizerFast, config: PreTrainedConfig) -> int:
    return min(at_most, tokenizer.model_max_length, max_tokens(config) or at_most)


def _tokens(
    ids: Ragged, tokenizer: PreTrainedTokenizerFast, *, types: Ragged | None = None, answers: Ragged | None = None
) -> Tokens:
    """A text without a single token becomes one of padding: a model cannot attend to nothing."""
    pad = tokenizer.pad_token_id or 0
    filled = [tokens or [pad] for tokens in ids]
    return Tokens(
        _flat(filled, np.int32),
        offsets_of(np.array([len(tokens) for tokens in filled], np.int64)),
        types=None if types is None else _flat([row or [0] for row in types], np.uint8),
        answers=None if answers is None else _flat(answers, np.bool_),
        pad=pad,
    )


def _flat(values: Ragged, kind: type) -> np.ndarray:
    return np.fromiter(chain.from_iterable(values), kind)


# --- the Arrow file: one row per sample, a list of {id, type, answer} -------------------------------------------------


def _write(tokens: Tokens, path: Path) -> None:
    # Booleans as bytes: Arrow's bits could not be used in place.
    answers = None if tokens.answers is None else tokens.answers.view(np.uint8)
    columns = {"id": tokens.ids, "type": tokens.types, "answer": answers}
    arrays = {name: pa.array(values) for name, values in columns.items() if values is not None}
    flat = pa.StructArray.from_arrays(list(arrays.values()), list(arrays))
    table = pa.table({"tokens": pa.LargeListArray.from_arrays(tokens.offsets, flat)}, metadata={PAD: str(tokens.pad)})
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def _read(path: Path) -> Tokens:
    """The file's content, in place: pages of it are in memory only while they are used."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    table.validate(full=True)
    lists = table.column("tokens").chunk(0)
    fields = {field.name: lists.values.field(field.name).to_numpy() for field in lists.values.type}
    answers = fields.get("answer")
    return Tokens(
        fields["id"],
        lists.offsets.to_numpy(),
        types=fields.get("type"),
        answers=None if answers is None else answers.view(np.bool_),
        pad=int(table.schema.metadata[PAD]),
    )
