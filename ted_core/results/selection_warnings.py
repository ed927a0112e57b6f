"""What a finished selection should make its user look twice: a weak proxy, classes that shrank or vanished."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int64

from ted_core.results.decisions import Decisions
from ted_core.results.provenance import ProxyAccuracy
from ted_core.selection.rounds import RatioChoice
from ted_core.warnings import JobWarning, WarningCode, distinct

POINTS, RELATIVE = 0.05, 0.2
"""A class's share has changed strongly if it did so by more than five points of a hundred and a fifth of itself."""
MOVED = 0.1
"""So have the shares of all classes together if a tenth of the kept rows would have to be of other classes."""
DEVIATIONS = 4
"""Standard deviations of random rows beyond which a change is no chance."""
SHOWN = 5
"""Classes named in a warning."""

CLASS_CODES = frozenset({WarningCode.CLASS_LOST, WarningCode.CLASS_SHARES_CHANGED})

Counts = Int64[np.ndarray, " classes"]
Shares = Float[np.ndarray, " classes"]


def selection_warnings(
    decisions: Decisions, *, accuracy: ProxyAccuracy | None = None, ratio: RatioChoice | None = None
) -> tuple[JobWarning, ...]:
    """The warnings about these decisions, the proxy behind them, and the keep ratio, if it was chosen.

    ``accuracy`` is None if none was measured.
    """
    rows, labels = decisions.memberships
    before = np.bincount(labels, minlength=len(decisions.classes))
    after = np.bincount(labels[decisions.kept[rows]], minlength=len(decisions.classes))
    return distinct(_of_proxy(accuracy), _of_ratio(ratio), class_warnings(before, after, classes=decisions.classes))


def class_warnings(
    before: Counts, after: Counts, *, classes: tuple[str, ...], remark: str = ""
) -> tuple[JobWarning, ...]:
    """The warnings about classes of which there were ``before`` rows and are ``after``, a remark at the facts' end."""
    facts = [(WarningCode.CLASS_LOST, "plan.class_floor", _lost(before, after, classes))]
    facts += [(WarningCode.CLASS_SHARES_CHANGED, "plan.class_balance", _changed(before, after, classes))]
    return tuple(JobWarning.of(code, fact + remark, field=field) for code, field, fact in facts if fact)


def _of_proxy(accuracy: ProxyAccuracy | None) -> Iterator[JobWarning]:
    if accuracy is None or accuracy.has_learned is not False:
        return
    yield JobWarning.of(WarningCode.PROXY_HAS_NOT_LEARNED, _weakness(accuracy), field="proxy")


def _of_ratio(choice: RatioChoice | None) -> Iterator[JobWarning]:
    if choice is not None and choice.ratio == 1:
        fact = f"All rows are kept: no smaller share was measured to cost at most {choice.tolerance:g} points"
        yield JobWarning.of(WarningCode.NOTHING_PRUNED, fact, field="plan.tolerance")


def _weakness(accuracy: ProxyAccuracy) -> str:
    """What the proxy achieves on rows that it has not trained on, and what takes no learning."""
    found = f"Of rows that it has not trained on, the proxy predicts {accuracy.out_of_sample:.1%} rightly"
    if accuracy.base_model is not None:
        found += f", the model before its training {accuracy.base_model:.1%}"
    if accuracy.majority_class is not None:
        found += f"; the most frequent class alone is right for {accuracy.majority_class:.1%}"
    if accuracy.reference_performance is None:
        return found
    without = "the classes' shares alone" if accuracy.base_model is None else "the model before its training"
    return (
        f"{found}. It gives what is right a mean probability of {accuracy.performance:.3f}, "
        f"{without} {accuracy.reference_performance:.3f}"
    )


def _lost(before: Counts, after: Counts, classes: tuple[str, ...]) -> str | None:
    """Which classes have lost all their rows, in words; None if none has."""
    lost = np.flatnonzero((before > 0) & (after == 0))
    if not len(lost):
        return None
    largest = lost[np.argsort(-before[lost], kind="stable")]
    named = [f"{classes[code]!r} ({before[code]} rows)" for code in largest[:SHOWN]]
    return f"No row is kept of {len(lost)} of {np.count_nonzero(before)} classes: {_listed(named, len(lost))}"


def _changed(before: Counts, after: Counts, classes: tuple[str, ...]) -> str | None:
    """How the classes' shares have changed, in words; None if not strongly."""
    if not before.sum() or not after.sum():
        return None
    was, now = before / before.sum(), after / after.sum()
    noise = _deviation(was, int(before.sum()), int(after.sum()))
    if not (_some_changed(was, now, noise) or _many_changed(was, now, noise)):
        return None
    by_change = np.argsort(-np.abs(now - was), kind="stable")
    named = [f"{classes[code]!r} from {was[code]:.1%} to {now[code]:.1%}" for code in by_change[:SHOWN]]
    return f"The classes' shares of the rows have changed: {_listed(named, int(np.count_nonzero(before)))}"


def _deviation(share: Shares, rows: int, kept: int) -> Shares:
    """The standard deviation of each class's share of ``kept`` random rows, drawn without replacement."""
    return np.asarray(np.sqrt(share * (1 - share) / kept * (rows - kept) / max(rows - 1, 1)))


def _some_changed(was: Shares, now: Shares, noise: Shares) -> bool:
    """Whether one class's share has changed much, and by more than chance explains."""
    change = np.abs(now - was)
    return bool(((change > POINTS) & (change > RELATIVE * was) & (change > DEVIATIONS * noise)).any())


def _many_changed(was: Shares, now: Shares, noise: Shares) -> bool:
    """Whether the shares have changed much altogether; of random rows, the deviations add up to no more than this."""
    moved = float(np.abs(now - was).sum()) / 2
    return moved > max(MOVED, DEVIATIONS * float(noise.sum()) / 2)


def _listed(named: list[str], count: int) -> str:
    more = count - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
