"""Texts become the tokens of the model's own tokenizer, once, and are kept where there is a folder for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ted_core.datasets import Samples
from ted_core.datasets.samples import Dialogues, Texts
from ted_core.errors import NothingToLearn, UnknownModel
from ted_core.proxies.pretrained.input_digest import digest_of
from ted_core.proxies.pretrained.tokenization import CHUNK, tokenize
from ted_core.proxies.pretrained.tokens import Tokens
from ted_core.proxies.pretrained_settings import LONGEST_TEXT
from tests.ted_core.proxies.pretrained import reviews
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model, tiny_tokenizer
from tests.ted_core.proxies.pretrained.models import tiny_encoder, word_tokenizer

QUESTION, ANSWER = {"role": "user", "content": "Add two and three."}, {"role": "assistant", "content": "five"}


def rows(tokens: Tokens, values: np.ndarray | None = None) -> list[list[int]]:
    """Of every sample its ids, or its part of other values."""
    flat = tokens.ids if values is None else values
    return [one.tolist() for one in np.split(flat, tokens.offsets[1:-1])]


def content(tokens: Tokens) -> list[object]:
    return [None if value is None else np.asarray(value).tolist() for value in vars(tokens).values()]


def dialogues(*conversations: list[dict[str, str]], cache: Path | None = None, first_row: int = 0) -> Samples:
    count = len(conversations)
    numbers = np.arange(first_row, first_row + count, dtype=np.uint64)
    turns = Dialogues(pa.chunked_array([pa.array(conversations)]))
    return Samples(turns, np.zeros(count, np.int64), (), numbers, rows=first_row + count, cache=cache)


def the_kept_file(folder: Path) -> Path:
    [path] = folder.iterdir()
    return path


def test_texts_become_what_the_tokenizer_makes_of_each(encoder_folder: Path) -> None:
    texts = reviews.random_texts(50)

    tokens = tokenize(reviews.samples(texts), encoder_folder)

    tokenizer = word_tokenizer()
    assert rows(tokens) == [tokenizer(text)["input_ids"] for text in texts]
    assert tokens.lengths.tolist() == [len(text.split()) + 2 for text in texts]
    assert (tokens.types, tokens.answers, tokens.pad) == (None, None, tokenizer.pad_token_id)


def test_more_texts_than_the_tokenizer_is_given_at_once_stay_in_order(encoder_folder: Path) -> None:
    texts = reviews.random_texts(CHUNK + 3, longest=2)

    tokens = tokenize(reviews.samples(texts), encoder_folder)

    assert len(tokens) == CHUNK + 3
    assert rows(tokens)[CHUNK:] == [word_tokenizer()(text)["input_ids"] for text in texts[CHUNK:]]


def test_a_pair_becomes_one_sequence_that_tells_its_texts_apart(encoder_folder: Path) -> None:
    premises, hypotheses = ["the film was good", "a plot"], ["not bad", "the end ."]

    tokens = tokenize(reviews.samples(premises, hypotheses), encoder_folder)

    expected = word_tokenizer()(premises, hypotheses, return_token_type_ids=True)
    assert rows(tokens) == expected["input_ids"]
    assert rows(tokens, tokens.types) == expected["token_type_ids"] == [[0] * 6 + [1] * 3, [0] * 4 + [1] * 4]


def test_a_model_that_knows_no_types_is_given_none(tmp_path: Path) -> None:
    model = tiny_encoder(tmp_path, type_vocab_size=1)

    assert tokenize(reviews.samples(["a film"], ["a play"]), model).types is None


@pytest.mark.parametrize(("positions", "longest"), [(16, 16), (512, LONGEST_TEXT)])
def test_a_long_text_is_cut_to_what_the_model_takes_but_not_beyond_the_limit(
    tmp_path: Path, positions: int, longest: int
) -> None:
    model = tiny_encoder(tmp_path, max_position_embeddings=positions)
    long = " ".join(["film"] * 1000)

    tokens = tokenize(reviews.samples([long, "a film"], [long, "a play"]), model)

    assert tokens.lengths.tolist() == [longest, 7]


def test_a_text_without_a_token_becomes_one_of_padding(tmp_path: Path) -> None:
    model = tiny_encoder(tmp_path, special=False)

    tokens = tokenize(reviews.samples(["", "film"], ["", ""]), model)

    assert rows(tokens) == [[tokens.pad], word_tokenizer(special=False)("film")["input_ids"]]
    assert rows(tokens, tokens.types) == [[0], [0]]


def test_a_tokenizer_that_writes_more_than_the_model_knows_is_refused(tmp_path: Path) -> None:
    model = tiny_encoder(tmp_path / "my-bert")
    tiny_tokenizer().save_pretrained(model)

    with pytest.raises(UnknownModel, match=r"my-bert writes token \d+, its model knows 24") as refused:
        tokenize(reviews.samples(["a film"]), model)

    assert refused.value.field == "proxy.model"


def test_dialogues_become_tokens_that_know_the_answers(tmp_path: Path) -> None:
    tokens = tokenize(
        dialogues([QUESTION, ANSWER], [QUESTION] * 1 + [ANSWER, QUESTION, ANSWER]), tiny_language_model(tmp_path)
    )

    assert tokens.answers is not None
    tokenizer = tiny_tokenizer()
    said = [tokenizer.decode(ids) for ids in (tokens.ids[: tokens.offsets[1]], tokens.ids[tokens.answers])]
    assert said[0] == "<|start|>user\nAdd two and three.<|end|>\n<|start|>assistant\nfive<|end|>"
    assert said[1] == "five<|end|>" * 3


def test_a_dialogue_that_cannot_be_used_is_named_by_its_row_in_the_dataset(tmp_path: Path) -> None:
    samples = dialogues([QUESTION, ANSWER], [QUESTION], first_row=70)

    with pytest.raises(NothingToLearn, match="Row 71"):
        tokenize(samples, tiny_language_model(tmp_path))


# --- kept as an Arrow file --------------------------------------------------------------------------------------------


def test_tokens_are_kept_and_found_again(encoder_folder: Path, tmp_path: Path) -> None:
    samples = reviews.samples(reviews.random_texts(20), reviews.random_texts(20, seed=1), cache=tmp_path / "cache")

    made = tokenize(samples, encoder_folder)
    written = the_kept_file(tmp_path / "cache").stat()
    found = tokenize(samples, encoder_folder)

    assert content(made) == content(found) == content(tokenize(reviews.samples(*parts(samples)), encoder_folder))
    assert the_kept_file(tmp_path / "cache").stat().st_ino == written.st_ino
    assert the_kept_file(tmp_path / "cache").name.endswith(".tokens.arrow")


def test_kept_tokens_stay_in_their_file(encoder_folder: Path, tmp_path: Path) -> None:
    samples = reviews.samples(reviews.random_texts(20), cache=tmp_path)
    before = pa.total_allocated_bytes()

    tokens = tokenize(samples, encoder_folder)

    assert not tokens.ids.flags.owndata
    assert not tokens.ids.flags.writeable
    assert pa.total_allocated_bytes() - before < tokens.ids.nbytes


def test_kept_dialogues_still_know_their_answers(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "model")
    samples = dialogues([QUESTION, ANSWER], cache=tmp_path / "cache")

    made, found = tokenize(samples, model), tokenize(samples, model)

    assert content(made) == content(found) == content(tokenize(dialogues([QUESTION, ANSWER]), model))
    assert found.answers is not None
    assert found.answers.dtype == bool


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda sound: sound[: len(sound) // 2],
    "other": lambda _: b"no Arrow at all",
    "one bit flipped": lambda sound: sound[:600] + bytes([sound[600] ^ 1]) + sound[601:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_anew(encoder_folder: Path, tmp_path: Path, damage: str) -> None:
    samples = reviews.samples(reviews.random_texts(20), cache=tmp_path)
    whole = content(tokenize(samples, encoder_folder))
    path = the_kept_file(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(DAMAGES[damage](sound))

    assert content(tokenize(samples, encoder_folder)) == whole
    assert the_kept_file(tmp_path).read_bytes() == sound


def test_what_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    samples = dialogues([QUESTION], cache=tmp_path / "cache")

    with pytest.raises(NothingToLearn):
        tokenize(samples, tiny_language_model(tmp_path / "model"))

    assert list((tmp_path / "cache").iterdir()) == []


def test_other_texts_and_another_tokenizer_have_files_of_their_own(tmp_path: Path) -> None:
    cache, model = tmp_path / "cache", tiny_encoder(tmp_path / "model")
    samples = reviews.samples(["a film", "the play"], cache=cache)
    tokenize(samples, model)

    tokenize(reviews.samples(["a film", "the end"], cache=cache), model)
    tokenize(reviews.samples(["a film"], ["the play"], cache=cache), model)
    word_tokenizer(special=False).save_pretrained(model)
    plain = tokenize(samples, model)

    assert len(list(cache.iterdir())) == 4
    assert plain.lengths.tolist() == [2, 2]


def test_how_texts_are_cut_into_chunks_leaves_no_trace() -> None:
    whole = pa.chunked_array([["a", "bc", ""]])
    cut = pa.chunked_array([["a"], ["bc", ""]], pa.large_string())

    assert digest_of(Texts((whole,))) == digest_of(Texts((cut,)))
    assert digest_of(Texts((whole,))) != digest_of(Texts((pa.chunked_array([["ab", "c", ""]]),)))
    assert digest_of(Texts((whole,))) != digest_of(Texts((whole, whole)))


def test_a_turn_belongs_to_its_dialogue() -> None:
    together = dialogues([QUESTION, ANSWER], []).inputs
    apart = dialogues([QUESTION], [ANSWER]).inputs
    assert isinstance(together, Dialogues)
    assert isinstance(apart, Dialogues)

    assert digest_of(together) != digest_of(apart)
    assert digest_of(together) == digest_of(replace(together, turns=together.turns.cast(large(together.turns.type))))


@pytest.mark.parametrize("fields", [{"learned": False}, {"tool_calls": "f()"}])
def test_what_else_a_turn_says_makes_another_dialogue(fields: dict[str, object]) -> None:
    plain = [QUESTION, ANSWER]
    marked = [QUESTION | dict.fromkeys(fields), ANSWER | fields]

    digests = {digest_of(dialogues(chat).inputs) for chat in (plain, marked)}

    assert len(digests) == 2


def large(kind: pa.DataType) -> pa.DataType:
    """The same with wide offsets."""
    return pa.large_list(pa.struct([(field.name, pa.large_string()) for field in kind.value_type]))


def parts(samples: Samples) -> list[list[str]]:
    assert isinstance(samples.inputs, Texts)
    return [part.to_pylist() for part in samples.inputs.parts]
