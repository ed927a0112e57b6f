"""The highest scores are selected, once classes have got what is theirs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import ClassBalance, PruningPlan
from ted_core.selection.sampling.highest import class_quotas, select_first, select_highest
from tests.reference import ted

LABELLED_SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.integers(0, 3)), min_size=1)
SHARE = st.floats(0, 1)


def chosen(labelled: list[tuple[float, int]], count: int, class_floor: float) -> list[bool]:
    score, labels = np.array([s for s, _ in labelled]), np.array([label for _, label in labelled])
    return select_highest(score, count, labels=labels, class_floor=class_floor).tolist()


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

    renumbered = balanced([(score, numbers[label]) for score, label in labelled], count)

    assert renumbered == balanced(labelled, count)


@given(LABELLED_SCORES, SHARE, SHARE, st.sampled_from(["free", "keep"]))
def test_of_samples_in_the_order_of_their_scores_the_same_are_the_first(
    labelled: list[tuple[float, int]], share: float, of_share: float, balance: ClassBalance
) -> None:
    score, labels = np.array([s for s, _ in labelled]), np.array([label for _, label in labelled])
    count = round(share * len(labelled))
    quotas = class_quotas(labels, count, of_share * share, balance)
    order = np.argsort(-score, kind="stable")

    found = select_first(count, labels=labels[order].astype(np.uint8), quotas=quotas)

    kept = select_highest(score, count, labels=labels, class_floor=of_share * share, class_balance=balance)
    assert found.tolist() == kept[order].tolist()


@given(LABELLED_SCORES, SHARE)
def test_every_class_meets_a_floor_as_high_as_the_ratio(labelled: list[tuple[float, int]], share: float) -> None:
    plan = PruningPlan(keep_ratio=min(max(share, 0.01), 0.99))

    kept = np.array(balanced(labelled, plan.rows_kept(len(labelled)), plan.keep_ratio))

    labels = np.array([label for _, label in labelled])
    for label in np.unique(labels):
        assert kept[labels == label].sum() >= np.floor(round(plan.keep_ratio * (labels == label).sum(), 9))
