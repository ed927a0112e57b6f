"""What a model of texts sees: batches of like length, in an order that the seed alone decides."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.pretrained.encoder import encoder
from ted_core.proxies.pretrained.tokens import TokenBatch, Tokens, pad_batch, shift_left
from ted_core.training.batches import Batches, measure_rows
from ted_core.training.objectives import Answers
from ted_core.training.token_batches import POOL, TokenBatches, split_by_tokens
from ted_core.training.trainer import Trainer, batches_of
from tests.ted_core.proxies.pretrained import reviews
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model
from tests.ted_core.proxies.pretrained.test_tokenization import ANSWER, QUESTION, dialogues

pytestmark = pytest.mark.usefixtures("in_float32")

CPU = torch.device("cpu")
RAGGED = Tokens(np.arange(1, 7, dtype=np.int32), np.array([0, 1, 4, 6]), pad=99)


def table(folder: Path, rows: int = 60, *, budget: int | None = None) -> TokenBatches:
    """Texts whose label is their number."""
    made = TokenBatches(reviews.samples(reviews.random_texts(rows), labels=np.arange(rows)), folder)
    made.budget = budget or made.budget
    return made


def steps(table: TokenBatches, rows: np.ndarray, batch_size: int, *, seed: int = 0) -> list[list[list[int]]]:
    """The labels of each batch of each step."""
    shuffled = table.shuffled(rows, batch_size, rng=np.random.default_rng(seed), augment=False)
    return [[labels.tolist() for _, labels in step.batches] for step in shuffled]


def visited(table: TokenBatches, rows: np.ndarray, batch_size: int, *, seed: int = 0) -> list[list[int]]:
    return [list(itertools.chain(*step)) for step in steps(table, rows, batch_size, seed=seed)]


# --- batches side by side ---------------------------------------------------------------------------------------------


def test_samples_are_padded_on_the_right_to_the_longest() -> None:
    batch = pad_batch(RAGGED, np.array([2, 0, 1]), device=CPU)

    assert batch.ids.tolist() == [[5, 6, 99], [1, 99, 99], [2, 3, 4]]
    assert batch.mask.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert (batch.types, batch.predicts) == (None, None)


def test_types_are_padded_like_the_ids_they_belong_to() -> None:
    tokens = Tokens(RAGGED.ids, RAGGED.offsets, types=np.array([0, 0, 1, 1, 0, 1], np.uint8))

    batch = pad_batch(tokens, np.array([0, 1]), device=CPU)

    assert batch.types is not None
    assert batch.types.tolist() == [[0, 0, 0], [0, 1, 1]]


def test_a_model_predicts_where_the_next_token_is_an_answers() -> None:
    answers = torch.tensor([[False, True, True, False], [True, False, False, True]])

    assert shift_left(answers).tolist() == [[True, True, False, False], [False, False, True, False]]


def test_joined_parts_hold_all_samples_in_order() -> None:
    again = Tokens.concatenate([RAGGED, RAGGED])

    assert again.lengths.tolist() == [1, 3, 2, 1, 3, 2]
    assert pad_batch(again, np.array([4]), device=CPU).ids.tolist() == [[2, 3, 4]]
    assert again.pad == RAGGED.pad


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 100))
def test_parts_keep_to_the_budget_or_hold_a_single_row(lengths: list[int], budget: int) -> None:
    rows = np.arange(len(lengths)) + 100

    found = [part.tolist() for part in split_by_tokens(rows, np.array(lengths, np.int64), budget)]

    costs = [len(part) * max(lengths[row - 100] for row in part) for part in found]
    assert list(itertools.chain(*found)) == rows.tolist()
    assert all(cost <= budget or len(part) == 1 for cost, part in zip(costs, found, strict=True))


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40), st.integers(1, 100))
def test_no_two_neighbours_would_have_fit_together_in_front(lengths: list[int], budget: int) -> None:
    found = [part.tolist() for part in split_by_tokens(np.arange(len(lengths)), np.array(lengths, np.int64), budget)]

    for part, following in itertools.pairwise(found):
        together = [lengths[row] for row in [*part, following[0]]]
        assert len(together) * max(together) > budget


# --- an epoch ---------------------------------------------------------------------------------------------------------


def test_a_token_table_is_what_texts_are_trained_from(encoder_folder: Path) -> None:
    proxy = resolve_proxy(ProxySpec(name="encoder", model=str(encoder_folder)))

    made = batches_of(reviews.samples(["a film"]), proxy)

    assert isinstance(made, TokenBatches)
    assert isinstance(made, Batches)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_every_row_is_seen_once_in_an_epoch(encoder_folder: Path, batch_size: int) -> None:
    rows = np.arange(3, 60, 2)

    batches = visited(table(encoder_folder), rows, batch_size)

    assert sorted(itertools.chain(*batches)) == rows.tolist()
    assert sorted(map(len, batches), reverse=True)[: len(rows) // batch_size] == [batch_size] * (
        len(rows) // batch_size
    )


def test_the_order_is_the_seeds(encoder_folder: Path) -> None:
    texts = table(encoder_folder)

    first, again, other = (visited(texts, np.arange(60), 8, seed=seed) for seed in (1, 1, 2))

    assert first == again != other


def test_the_rows_of_a_batch_are_of_like_length(encoder_folder: Path) -> None:
    texts = table(encoder_folder)

    lengths = sorted(sorted(texts.tokens.lengths[batch].tolist()) for batch in visited(texts, np.arange(60), 6))

    assert list(itertools.chain(*lengths)) == sorted(texts.tokens.lengths.tolist())


def test_lengths_mix_over_an_epoch(encoder_folder: Path) -> None:
    texts = table(encoder_folder)

    longest = [max(texts.tokens.lengths[batch]) for batch in visited(texts, np.arange(60), 2)]

    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_rows_of_more_than_a_pool_meet_others_of_their_length_only_by_chance(encoder_folder: Path) -> None:
    rows = POOL * 2 + 30
    texts = table(encoder_folder, rows)

    first, second = (visited(texts, np.arange(rows), 2, seed=seed) for seed in (1, 2))

    assert len({frozenset(batch) for batch in first} & {frozenset(batch) for batch in second}) < rows // 10


def test_a_step_is_cut_where_it_holds_more_tokens_than_the_budget(encoder_folder: Path) -> None:
    texts = table(encoder_folder, budget=40)

    cut = list(texts.shuffled(np.arange(60), 12, rng=np.random.default_rng(0), augment=False))

    assert [sum(len(labels) for _, labels in step.batches) for step in cut] == [12] * 5
    assert max(inputs.ids.numel() for step in cut for inputs, _ in step.batches) <= 40
    assert max(len(step.batches) for step in cut) > 1


def test_a_cut_step_learns_what_the_whole_one_does(encoder_folder: Path) -> None:
    proxy = resolve_proxy(ProxySpec(name="encoder", model=str(encoder_folder), batch_size=20))
    learned = []
    for budget in (40, 10_000):
        torch.manual_seed(0)
        trainee = Trainer(encoder(encoder_folder, 60), proxy, device="cpu")
        batches, rng = table(encoder_folder, budget=budget), np.random.default_rng(0)
        loss = trainee.train_epoch(batches, np.arange(60), number=1, rng=rng)
        learned.append([torch.tensor(loss), *trainee.model.state_dict().values()])

    for cut, whole in zip(*learned, strict=True):
        torch.testing.assert_close(cut, whole, rtol=1e-3, atol=1e-4)


def test_texts_stay_with_their_labels(encoder_folder: Path) -> None:
    texts = table(encoder_folder)

    for inputs, labels in (
        *itertools.chain(
            *(step.batches for step in texts.shuffled(np.arange(60), 7, rng=np.random.default_rng(0), augment=True))
        ),
        *texts.in_order(np.arange(60)),
    ):
        alone = [pad_batch(texts.tokens, np.array([label]), device=CPU).ids[0].tolist() for label in labels.tolist()]
        assert [ids[mask].tolist() for ids, mask in zip(inputs.ids, inputs.mask, strict=True)] == alone


def test_several_labels_come_as_they_are(encoder_folder: Path) -> None:
    samples = reviews.several_labels(10)

    [(_, labels)] = TokenBatches(samples, encoder_folder).in_order(np.array([7, 2]))

    assert labels.tolist() == samples.labels[[7, 2]].tolist()


def test_answers_are_what_follows_where_a_model_predicts(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path)
    longer = {"role": "assistant", "content": "five, that is two and three"}
    dialogue_table = TokenBatches(dialogues([QUESTION, ANSWER], [QUESTION, longer, QUESTION, ANSWER]), model)

    [(batch, answers)] = dialogue_table.in_order(np.array([1, 0]))

    tokens = dialogue_table.tokens
    assert isinstance(answers, Answers)
    assert tokens.answers is not None
    counts = [int(tokens.answers[tokens.offsets[row] : tokens.offsets[row + 1]].sum()) for row in (1, 0)]
    expected = np.concatenate([tokens.ids[start:end][tokens.answers[start:end]] for start, end in ends(tokens, [1, 0])])
    assert answers.tokens.tolist() == expected.tolist()
    assert answers.sample.tolist() == [0] * counts[0] + [1] * counts[1]
    assert len(answers) == 2
    assert int(batch.predicts.sum()) == sum(counts)


def ends(tokens: Tokens, rows: list[int]) -> list[tuple[int, int]]:
    return [(int(tokens.offsets[row]), int(tokens.offsets[row + 1])) for row in rows]


# --- measuring --------------------------------------------------------------------------------------------------------


def test_measuring_keeps_the_order_it_is_given(encoder_folder: Path) -> None:
    texts, rows = table(encoder_folder, budget=50), np.array([5, 2, 58, 0, 31])

    labels = [label for _, batch in texts.in_order(rows) for label in batch.tolist()]

    assert labels == rows.tolist()
    assert list(texts.in_order(np.zeros(0, np.int64))) == []


def test_the_cheapest_order_begins_with_the_longest(encoder_folder: Path) -> None:
    texts, rows = table(encoder_folder), np.array([5, 2, 58, 0, 31])

    lengths = texts.tokens.lengths[rows[texts.cheapest_order(rows)]]

    assert lengths.tolist() == sorted(texts.tokens.lengths[rows].tolist(), reverse=True)


def test_what_is_measured_stands_in_its_rows_place(encoder_folder: Path) -> None:
    texts, rows = table(encoder_folder, budget=50), np.array([5, 2, 58, 0, 31])

    def lengths(batch: TokenBatch, _: torch.Tensor) -> torch.Tensor:
        return batch.mask.sum(1).float()

    assert measure_rows(texts, rows, lengths).tolist() == texts.tokens.lengths[rows].tolist()


def test_other_samples_come_in_the_same_vocabulary(encoder_folder: Path) -> None:
    other = table(encoder_folder).like(reviews.samples(["the end", "a"], labels=[1, 0]))

    [(batch, labels)] = other.in_order(np.arange(2))

    assert batch.mask.sum(1).tolist() == [4, 3]
    assert labels.tolist() == [1, 0]
