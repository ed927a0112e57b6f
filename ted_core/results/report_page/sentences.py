"""What the page says about its charts, computed from what they show."""

from collections.abc import Iterator, Sequence

from ted_core.results.decisions import Reason
from ted_core.results.report import Report, ReportRound
from ted_core.results.report_page import words
from ted_core.results.suspects.label_noise import why_no_estimate
from ted_core.warnings import WarningCode

LEVEL = 0.01
"""A mean that changes by less is called level."""
CONTRADICTED = 0.5
"""A row whose label is given less than this probability is more likely to have another one."""


def has_learned(report: Report) -> bool:
    """Return whether what the proxy says about single rows means anything."""
    return all(warning.code != WarningCode.PROXY_HAS_NOT_LEARNED for warning in report.warnings)


def by_internal_generalization(report: Report) -> str:
    """Return what the histogram of internal generalization shows, and what its line separates."""
    if not has_learned(report):
        return (
            "How well models that never trained on a row predict it. This proxy has not learned, so neither end says "
            "anything about the rows."
        )
    known = (
        "How well models that never trained on a row predict it: "
        "near 1, the other rows explain it; near 0, they do not."
    )
    return " ".join([known, *_line(report)])


def _line(report: Report) -> Iterator[str]:
    counts = {side: report.reasons.get(reason.phrase, 0) for reason, side in SIDES.items()}
    named = [f"{rows:,} to the {side}" for side, rows in counts.items() if rows]
    if report.q.value is not None and named:
        yield f"Of the pruned rows, {' and '.join(named)}."


SIDES = {
    Reason.WELL_GENERALIZED: "right of the dashed line are called redundant",
    Reason.POORLY_GENERALIZED: "left of the dashed line are called hard or mislabelled",
}


def by_margin(report: Report) -> str:
    """Return how many labels look wrong, or why nobody knows, and what the rows below have in common."""
    meaning = ANSWER_MARGIN if report.dataset.task == "causal-lm" else LABEL_MARGIN
    return f"{_noise(report)} {meaning}"


LABEL_MARGIN = (
    "A row's margin is the probability of its label minus that of the likeliest other one, under models that never "
    "trained on the row; below 0, they take it for another class."
)
ANSWER_MARGIN = (
    "A row's margin is the probability of a token of its answer minus that of the likeliest other one, the mean over "
    "the answer's tokens, under models that never trained on the row; below 0, they would rather say something else."
)


def _noise(report: Report) -> str:
    noise = report.label_noise
    if noise is None:
        task, learned = report.dataset.task, has_learned(report)
        return why_no_estimate(method=report.method, task=task, has_learned=learned)
    span = f"95 % interval {words.percent(noise.low)} to {words.percent(noise.high)}"
    what = "label looks" if noise.rows == 1 else "labels look"
    return f"About {noise.rows:,} {what} wrong: {words.percent(noise.share)} of the rows, {span} by chance alone."


def by_score(report: Report) -> str:
    """Return what the scores are, and what they had to do with the rows that were kept."""
    if report.method != "ted":
        return f"The score of method {report.method}."
    meaning = "A row's score says how sensitive its prediction is to the rest of the selection"
    if report.q.rule == "random":
        return f"{meaning}. Rows were drawn at random all the same, since that did best."
    within = " within its class" if report.plan.get("class_balance") == "keep" else ""
    return f"{meaning}; its chance of being kept is proportional to the score{within}."


def by_round(report: Report) -> str:
    """Return how mean internal generalization went, and how many pruned rows came back."""
    advice = FALLEN if has_learned(report) else UNLEARNED
    return f"{_course(report.rounds, advice)} {_returned(sum(entry.returned for entry in report.rounds))}"


FALLEN = "rows may have been pruned that the others need, so compare with a larger keep_ratio"
UNLEARNED = "the proxy has not learned"
"""What a fall means."""


def _course(log: Sequence[ReportRound], advice: str) -> str:
    measured = [
        (entry.round, entry.internal_generalization_all)
        for entry in log
        if entry.internal_generalization_all is not None
    ]
    if not measured:
        return "Internal generalization was not measured."
    (first, before), (last, after) = measured[0], measured[-1]
    if len(measured) == 1:
        return (
            f"Internal generalization was measured once, after round {first}: its mean over all rows is {before:.3f}."
        )
    change = f"from {before:.3f} after round {first} to {after:.3f} after round {last}"
    return f"Mean internal generalization of all rows {_direction(after - before, change, advice)}"


def _direction(difference: float, change: str, advice: str) -> str:
    if abs(difference) < LEVEL:
        return f"stayed level: {change}."
    if difference > 0:
        return f"rose {change}, while rows were pruned."
    return f"fell {change}: {advice}."


def _returned(times: int) -> str:
    said = {0: "No pruned row came back.", 1: "One pruned row came back."}
    return said.get(times, f"Pruned rows came back {times:,} times.")


def ranked_by(report: Report) -> str:
    """Return what ranked the rows, in two or three words."""
    if report.q.value is not None:
        return f"q = {words.exponent(report.q.value)}"
    if report.method != "ted":
        return "no q"
    return "random rows" if report.q.rule == "random" else f"score {report.q.rule or 'without q'}"


def choice_heading(report: Report) -> str:
    """Return what the choice was between."""
    if report.guard:
        return "TED's rows against random ones"
    return "Why random rows" if report.q.value is None else f"Why q = {words.exponent(report.q.value)}"


def by_candidate(report: Report) -> str:
    """Return what the guard found, or who chose q, and whether the measurement tells the candidates apart."""
    if report.guard:
        return words.sentence(report.guard.verdict)
    chosen_by = "The plan asks for it." if report.q.chosen_by == "plan" else words.sentence(report.q.chosen_by)
    meaning = "A small q keeps hard rows; a large q keeps rows that the rest of the data explains."
    others = [facts for facts in report.q.candidates if not report.q.is_chosen(facts)]
    alike = bool(others) and all(abs(facts.behind) <= facts.standard_error for facts in others)
    doubt = ["No other candidate differs from it by more than a standard error."] if alike else []
    return " ".join([chosen_by, meaning, *doubt])


def gain_of_training(report: Report) -> str:
    """Return whether training has made the language model better or worse on rows that it did not train on."""
    assert report.gains, "only what was measured is described"  # noqa: S101
    every = report.gains.all
    if every is None:
        return ""
    if abs(every.gain) < LEVEL:
        return "Training has hardly changed it."
    return "Training has improved it." if every.gain > 0 else "Training has made it worse: lower proxy.learning_rate."
