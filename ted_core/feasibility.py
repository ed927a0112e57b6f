"""Whether plan, proxy and dataset fit together; asked at submission and again with the loaded data. Torch-free."""

from ted_core.errors import ProxyMismatch, SingleClass, TooFewRounds, TooFewRowsKept
from ted_core.plan import PruningPlan
from ted_core.proxies.spec import InputKind, ProxySpec, Training, family_of

FEWEST_CLASSES = 2
FEWEST_ROWS_KEPT = 8
"""Each twin trains on half of what is kept, and batch normalization needs more than one row."""

INPUTS: dict[str, InputKind] = {
    "image-classification": "image",
    "tabular-classification": "vector",
    "text-classification": "text",
    "causal-lm": "dialogue",
}


def check(plan: PruningPlan, proxy: ProxySpec, *, task: str, rows: int, classes: int = FEWEST_CLASSES) -> Training:
    """The proxy with every default written out.

    Raises UnknownProxy, ProxyMismatch, SingleClass, TooFewRowsKept, TooFewRounds, each naming the request's field.
    """
    training = proxy.resolved()
    if INPUTS[task] not in family_of(proxy.name).takes:
        raise ProxyMismatch(f"{proxy.name} cannot be used for {task}", field="proxy.name")
    if classes < FEWEST_CLASSES:
        raise SingleClass(f"The dataset has {classes} class", field="dataset.target")
    _check_rows(plan, rows=rows, classes=classes)
    _check_floor(plan)
    if plan.rounds and plan.rounds > training.epochs:
        raise TooFewRounds(f"{plan.rounds} rounds need as many epochs, not {training.epochs}", field="plan.rounds")
    return training


def _check_rows(plan: PruningPlan, *, rows: int, classes: int) -> None:
    kept = plan.rows_kept(rows)
    if kept < max(classes, FEWEST_ROWS_KEPT):
        fact = f"A keep_ratio of {plan.keep_ratio} leaves {kept} of {rows} rows for {classes} classes"
        raise TooFewRowsKept(fact, field="plan.keep_ratio")


def _check_floor(plan: PruningPlan) -> None:
    if plan.class_floor > plan.keep_ratio:
        fact = f"A class_floor of {plan.class_floor} keeps more than a keep_ratio of {plan.keep_ratio}"
        raise TooFewRowsKept(fact, field="plan.class_floor")
