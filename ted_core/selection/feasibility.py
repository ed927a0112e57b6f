"""Whether plan, proxy and dataset fit together; checked at submission and again with the loaded data. Torch-free."""

from ted_core.datasets.spec import DatasetSpec, InputKind
from ted_core.errors import MethodUnsuited, SettingUnsuited, SingleClass, TooFewRounds, TooFewRowsKept, TooFewShards
from ted_core.plan import PruningPlan
from ted_core.proxies.resolve import ResolvedProxy
from ted_core.selection.workload import HALVES, RATIOS

FEWEST_CLASSES = 2
FEWEST_ROWS_KEPT = 8
"""Each twin trains on half of what is kept, and batch normalization needs more than one row."""

KINDS: dict[str, InputKind] = {
    "image-classification": "image",
    "tabular-classification": "vector",
    "text-classification": "text",
    "causal-lm": "dialogue",
}


FEWEST_WATCHED_EPOCHS = 3
SHARDED_KINDS, SHARDED_FORMATS = ("image", "vector"), ("parquet", "webdataset")
FEWEST_SHARDS = 2
"""Of a dataset whose files are divided among ranks."""
WATCHING_METHODS = {"forgetting", "ccs", "dual"}
"""Methods that follow each sample through a training run."""
ONE_CLASS_METHODS = {"el2n", "grand", "forgetting", "ccs", "dual"}


def check_feasibility(
    plan: PruningPlan,
    proxy: ResolvedProxy,
    *,
    kind: InputKind,
    rows: int | None,
    classes: int = FEWEST_CLASSES,
    one_class: bool = True,
    shape: tuple[int, ...] | None = None,
) -> None:
    """Check that plan, proxy and dataset fit together; ``one_class``: each sample has one, learned by cross-entropy.

    ``shape`` is that of one input; None if nobody has looked. Where the number of rows is not known yet, what depends
    on it is left unchecked. Raises ProxyMismatch, SettingUnsuited, MethodUnsuited, SingleClass, TooFewRowsKept,
    TooFewRounds, each naming the request's field.
    """
    epochs = proxy.training.epochs
    proxy.require_input_kind(kind)
    proxy.require_augmentable(kind)
    proxy.require_choosable_precision()
    if kind == "image" and shape:
        proxy.require_size(shape)
    _check_method(plan, proxy, one_class=one_class and kind != "dialogue")
    check_sampling(plan, kind=kind)
    _check_open_ratio(plan)
    check_balance(plan, kind=kind)
    classes = 0 if kind == "dialogue" else classes
    if kind != "dialogue" and classes < FEWEST_CLASSES:
        raise SingleClass(f"The dataset has {classes} class", field="dataset.target")
    check_ratio(plan, rows=rows, classes=classes)
    if plan.method in WATCHING_METHODS and epochs < FEWEST_WATCHED_EPOCHS:
        raise TooFewRounds(f"Method {plan.method} watches more than {epochs} epochs", field="proxy.epochs")
    if plan.rounds and plan.rounds > epochs:
        raise TooFewRounds(f"{plan.rounds} rounds need as many epochs, not {epochs}", field="plan.rounds")


def check_balance(plan: PruningPlan, *, kind: InputKind) -> None:
    """Raise SettingUnsuited if the plan is to keep the balance of classes that there are none of."""
    if kind == "dialogue" and plan.class_balance == "keep":
        raise SettingUnsuited("causal-lm has no classes whose balance could be kept", field="plan.class_balance")


def check_sampling(plan: PruningPlan, *, kind: InputKind) -> None:
    """Raise SettingUnsuited if rows are to be divided among ranks, and method, score or inputs need all of them."""
    if plan.sampling == "global":
        return
    unsuited = {
        f"method {plan.method}": plan.method != "ted",
        "the score parameter": plan.score == "parameter",
        f"inputs of kind {kind}": kind not in SHARDED_KINDS,
    }
    if facts := [name for name, is_so in unsuited.items() if is_so]:
        raise SettingUnsuited(f"A sampling of sharded with {' and '.join(facts)}", field="plan.sampling")


def check_shards(plan: PruningPlan, spec: DatasetSpec, *, file_format: str, files: int) -> None:
    """Raise SettingUnsuited, or TooFewShards, if the dataset's files cannot be divided among ranks."""
    if plan.sampling == "global":
        return
    if file_format not in SHARDED_FORMATS:
        raise SettingUnsuited(f"A sampling of sharded with the format {file_format}", field="plan.sampling")
    if spec.missing == "impute":
        raise SettingUnsuited("A sampling of sharded with missing impute", field="plan.sampling")
    if files < FEWEST_SHARDS:
        raise TooFewShards(f"The dataset has {files} file", field="plan.sampling")


def _check_method(plan: PruningPlan, proxy: ResolvedProxy, *, one_class: bool) -> None:
    """Baselines are defined for one label per sample; per-sample gradients do not exist for pretrained layers."""
    if plan.method in ONE_CLASS_METHODS and (not one_class or (proxy.is_fine_tuned and plan.method == "grand")):
        raise MethodUnsuited(f"Method {plan.method} with {proxy.name} on this dataset", field="plan.method")
    if plan.score == "margin" and plan.q is not None:
        raise SettingUnsuited(
            f"A q of {plan.q} with the score margin, which has no exponent as probability has", field="plan.q"
        )
    if plan.guard and (plan.method != "ted" or plan.q == "auto"):
        unguarded = "q auto, which tries random rows anyway" if plan.method == "ted" else f"method {plan.method}"
        raise SettingUnsuited(f"A guard with {unguarded}", field="plan.guard")
    if plan.method == "ted" and plan.score == "parameter" and (not one_class or proxy.is_fine_tuned):
        raise MethodUnsuited(f"Score parameter with {proxy.name} on this dataset", field="plan.score")


def _check_open_ratio(plan: PruningPlan) -> None:
    """A ratio is chosen by TED's score alone, and nothing else at the same time."""
    if plan.keep_ratio != "auto":
        if plan.tolerance is not None:
            raise SettingUnsuited(f"A tolerance with a keep_ratio of {plan.keep_ratio}", field="plan.tolerance")
        return
    if plan.method != "ted":
        raise SettingUnsuited(f"A keep_ratio of auto with method {plan.method}", field="plan.keep_ratio")
    if plan.guard:
        raise SettingUnsuited("A guard with a keep_ratio of auto, which compares with all rows", field="plan.guard")
    if plan.q == "auto":
        raise SettingUnsuited("A q of auto with a keep_ratio of auto", field="plan.q")


def check_ratio(plan: PruningPlan, *, rows: int | None, classes: int) -> None:
    """Raise TooFewRowsKept if the plan keeps too few rows for the classes, the twins or its own class floor."""
    ratio, tried, needed = plan.keep_ratio, "", max(classes, FEWEST_ROWS_KEPT)
    if ratio == "auto":  # proxies are trained on what it leaves of a half
        ratio, tried, needed = RATIOS[-1], ", which auto tries", HALVES * needed
    if rows is not None and (kept := plan.keeping(ratio).rows_kept(rows)) < needed:
        fact = f"A keep_ratio of {ratio}{tried and tried + ','} leaves {kept} of {rows} rows for {classes} classes"
        raise TooFewRowsKept(fact, field="plan.keep_ratio")
    if plan.class_floor > ratio:
        fact = f"A class_floor of {plan.class_floor} keeps more than a keep_ratio of {ratio}{tried}"
        raise TooFewRowsKept(fact, field="plan.class_floor")
