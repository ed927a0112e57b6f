"""The number of survivors falls in a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.selection.schedule import (
    epochs_of_round,
    is_measured,
    loop_epochs,
    loop_rounds,
    retained_counts,
    row_visits,
    warm_up,
)
from tests.reference import ted

ROUNDS = st.integers(3, 200)


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
