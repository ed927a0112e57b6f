"""The number of survivors falls in a line, and the strongest survive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.selection.schedule import (
    epochs_of_round,
    is_measured,
    loop_epochs,
    loop_rounds,
    retained_counts,
    row_visits,
    select_highest,
    warm_up,
)
from tests.reference import ted

ROUNDS = st.integers(3, 200)
LABELLED_SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.integers(0, 3)), min_size=1)
SHARE = st.floats(0, 1)


def chosen(labelled: list[tuple[float, int]], count: int, class_floor: float) -> list[bool]:
    score, labels = np.array([s for s, _ in labelled]), np.array([label for _, label in labelled])
    return select_highest(score, count, labels=labels, class_floor=class_floor).tolist()


@given(ROUNDS)
def test_pruning_begins_after_two_rounds_or_a_sixth_of_all(rounds: int) -> None:
    assert warm_up(rounds) == ted.warm_up(rounds)


@given(st.integers(1, 10**6), st.floats(0.001, 1), ROUNDS)
def test_survivors_lie_within_half_a_row_of_the_straight_line(samples: int, share: float, rounds: int) -> None:
    kept = max(1, round(share * samples))

    counts = retained_counts(samples, kept, rounds=rounds)

    line = ted.survivors(samples, kept, rounds=rounds)
    assert len(counts) == rounds
    assert all(abs(count - exact) < 0.5001 for count, exact in zip(counts, line, strict=True))


@given(st.integers(1, 10**6), st.floats(0.001, 1), ROUNDS)
def test_the_target_is_reached_one_round_before_the_end_and_never_undercut(
    samples: int, share: float, rounds: int
) -> None:
    kept = max(1, round(share * samples))

    counts = retained_counts(samples, kept, rounds=rounds)

    assert counts[-2:] == [kept, kept]
    assert counts == sorted(counts, reverse=True)
    assert counts[: warm_up(rounds) - 1] == [samples] * (warm_up(rounds) - 1)


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [(3, [100, 40, 40]), (4, [100, 70, 40, 40]), (8, [100, 90, 80, 70, 60, 50, 40, 40])],
)
def test_a_hundred_rows_fall_to_forty(rounds: int, expected: list[int]) -> None:
    assert retained_counts(100, 40, rounds=rounds) == expected


@given(LABELLED_SCORES, st.data(), SHARE)
def test_the_strongest_are_those_of_the_plain_loop(
    labelled: list[tuple[float, int]], data: st.DataObject, class_floor: float
) -> None:
    count = data.draw(st.integers(1, len(labelled)))

    mask = chosen(labelled, count, class_floor)

    scores, labels = [score for score, _ in labelled], [label for _, label in labelled]
    assert mask == ted.strongest(scores, count, labels=labels, class_floor=class_floor)


def test_ties_go_to_the_earlier_sample() -> None:
    labelled = [(0.5, 0), (0.5, 1), (0.9, 0), (0.5, 1)]

    assert chosen(labelled, 2, 0) == [True, False, True, False]


def test_a_floor_lets_the_weak_class_keep_its_best_at_the_cost_of_the_strong() -> None:
    labelled = [(0.9, 0), (0.8, 0), (0.7, 0), (0.6, 0), (0.1, 1), (0.3, 1), (0.2, 1), (0.0, 1)]

    assert chosen(labelled, 4, 0) == [True] * 4 + [False] * 4
    assert chosen(labelled, 4, 0.25) == [True, True, True, False, False, True, False, False]


def test_floors_that_exceed_the_count_are_all_that_is_retained() -> None:
    labelled = [(score, label) for label in (0, 1) for score in (0.1, 0.2, 0.3, 0.4, 0.5)]

    assert sum(chosen(labelled, 5, 0.6)) == 6


@given(st.integers(3, 60), st.integers(0, 100))
def test_all_rounds_together_train_every_epoch_once_and_none_trains_nothing(rounds: int, further: int) -> None:
    epochs = rounds + further

    shares = [epochs_of_round(number, rounds=rounds, epochs=epochs) for number in range(1, rounds + 1)]

    assert [epoch for share in shares for epoch in share] == list(range(epochs))
    assert {len(share) for share in shares} <= {epochs // rounds, epochs // rounds + 1}


@pytest.mark.parametrize(
    ("epochs", "expected"), [(2, 1), (3, 2), (4, 3), (5, 3), (6, 3), (12, 4), (30, 10), (1000, 333)]
)
def test_the_loop_trains_for_a_third_of_the_epochs_or_three_but_never_for_all(epochs: int, expected: int) -> None:
    assert loop_epochs(epochs) == expected


@pytest.mark.parametrize(("epochs", "expected"), [(2, 1), (3, 1), (4, 3), (6, 3), (12, 3), (20, 4), (30, 5)])
def test_rounds_last_two_epochs_but_there_are_three_or_of_few_epochs_a_single_one(epochs: int, expected: int) -> None:
    assert loop_rounds(epochs) == expected


@given(st.integers(2, 1000))
def test_no_round_prunes_before_samples_are_measured(epochs: int) -> None:
    rounds = loop_rounds(epochs)
    counts = retained_counts(100, 40, rounds=rounds)

    first_measured = min(number for number in range(1, rounds + 1) if is_measured(number, rounds=rounds))
    assert all(count == 100 for count in counts[: first_measured - 1])


def test_a_single_round_trains_on_all_rows_and_keeps_what_is_to_be_kept() -> None:
    assert (retained_counts(100, 40, rounds=1), row_visits(100, [40], epochs=2)) == ([40], 200)


@given(ROUNDS)
def test_every_round_is_measured_but_the_first_if_there_is_another_and_one_before_pruning_begins(rounds: int) -> None:
    measured = [number for number in range(1, rounds + 1) if is_measured(number, rounds=rounds)]

    assert measured == list(range(min(2, rounds), rounds + 1))
    assert measured[0] <= max(warm_up(rounds), 1) or rounds <= 2


@given(st.integers(1, 1000), st.floats(0.01, 1), st.integers(3, 30), st.integers(0, 30))
def test_the_row_visits_are_those_of_a_loop_that_counts(samples: int, share: float, rounds: int, further: int) -> None:
    counts, epochs = retained_counts(samples, max(1, round(share * samples)), rounds=rounds), rounds + further

    retained, visited = samples, 0
    for number, count in enumerate(counts, start=1):
        visited += retained * len(epochs_of_round(number, rounds=rounds, epochs=epochs))
        retained = count

    assert row_visits(samples, counts, epochs=epochs) == visited


# --- each class at the same ratio -------------------------------------------------------------------------------------


def balanced(labelled: list[tuple[float, int]], count: int, class_floor: float = 0.0) -> list[bool]:
    score, labels = np.array([s for s, _ in labelled]), np.array([label for _, label in labelled])
    kept = select_highest(score, count, labels=labels, class_floor=class_floor, class_balance="keep")
    return kept.tolist()


@given(LABELLED_SCORES, SHARE, SHARE)
def test_every_class_gives_its_best_by_the_largest_remainders(
    labelled: list[tuple[float, int]], share: float, of_share: float
) -> None:
    plan = PruningPlan(keep_ratio=min(max(share, 0.01), 0.99))
    count, floor = plan.rows_kept(len(labelled)), of_share * plan.keep_ratio

    found = balanced(labelled, count, floor)

    labels = [label for _, label in labelled]
    assert found == ted.balanced([score for score, _ in labelled], count, labels=labels, class_floor=floor)
    assert sum(found) == count


@given(LABELLED_SCORES, SHARE)
def test_no_class_is_a_whole_row_away_from_its_share(labelled: list[tuple[float, int]], share: float) -> None:
    count = round(share * len(labelled))

    kept = np.array(balanced(labelled, count))

    labels = np.array([label for _, label in labelled])
    for label in np.unique(labels):
        own = labels == label
        assert abs(kept[own].sum() - own.sum() * count / len(labels)) < 1


@given(LABELLED_SCORES, SHARE, st.permutations(range(4)))
def test_it_does_not_matter_how_classes_are_numbered(
    labelled: list[tuple[float, int]], share: float, numbers: list[int]
) -> None:
    """Decisions that are read back number the classes in another way."""
    count = round(share * len(labelled))

    renumbered = balanced([(score, numbers[label] - 1) for score, label in labelled], count)

    assert renumbered == balanced(labelled, count)


@given(LABELLED_SCORES, SHARE)
def test_every_class_meets_a_floor_as_high_as_the_ratio(labelled: list[tuple[float, int]], share: float) -> None:
    plan = PruningPlan(keep_ratio=min(max(share, 0.01), 0.99))

    kept = np.array(balanced(labelled, plan.rows_kept(len(labelled)), plan.keep_ratio))

    labels = np.array([label for _, label in labelled])
    for label in np.unique(labels):
        assert kept[labels == label].sum() >= np.floor(round(plan.keep_ratio * (labels == label).sum(), 9))
