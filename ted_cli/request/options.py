"""An option for every field of a job, and commands that take them."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import typer

from ted_cli.request.job_request import JobOptions, without_none
from ted_cli.request.values import keep_ratio, label, number_or_word, one_or_many

JOB = ""
"""The part of a job that stands beside dataset, proxy and plan."""


class JobField(NamedTuple):
    """A field of a job, and the option that sets it."""

    part: str
    """dataset, proxy, plan, metadata, or ``JOB``."""
    name: str
    """In the request."""
    option: Any
    """Its annotation, for typer."""
    read: Callable[[Any], Any] = lambda value: value
    """What was said → what is sent."""


def _flag(help_text: str, name: str = "") -> Any:
    names = [f"--{name}/--no-{name}"] if name else []
    return Annotated[bool | None, typer.Option(*names, help=help_text)]


def _option(value_type: Any, help_text: str, *names: str, **more: Any) -> Any:
    return Annotated[value_type | None, typer.Option(*names, help=help_text, **more)]


READING: Mapping[str, JobField] = {
    "format": JobField(
        "dataset",
        "format",
        _option(str, "parquet, jsonl, csv …: docs/families/formats.md. Unless given, the one that the files show."),
    ),
    "input": JobField("dataset", "input", _option(list[str], "Input column; may be repeated."), one_or_many),
    "target": JobField(
        "dataset",
        "target",
        _option(list[str], "Column with the class; several columns of 0 and 1 if repeated."),
        one_or_many,
    ),
    "exclude": JobField(
        "dataset",
        "exclude",
        _option(list[str], "Column that is no input; may be repeated."),
        lambda names: names or None,
    ),
    "split": JobField(
        "dataset", "split", _option(str, "The part to read, such as train, where several lie side by side.")
    ),
    "header": JobField("dataset", "header", _flag("csv: whether the first line names the columns.", "header")),
    "quoting": JobField("dataset", "quoting", _flag("csv: whether values may stand in quotation marks.", "quoting")),
    "image_size": JobField("dataset", "image_size", _option(int, "Pixels that images are resized to, each way.")),
    "colour": JobField("dataset", "colour", _flag("Whether images have three channels or one.", "colour")),
    "background": JobField(
        "dataset", "background", _option(str, "white or black: what transparent images are laid on.")
    ),
    "missing": JobField("dataset", "missing", _option(str, "refuse or impute missing values of a table.")),
}
"""How a dataset is to be read."""

DATASET: Mapping[str, JobField] = {
    "dataset": JobField("dataset", "uri", _option(str, "Path, file://, s3:// or gs:// URI of the data.")),
    "task": JobField("dataset", "task", _option(str, "image-, tabular- or text-classification, or causal-lm.")),
    **READING,
}
REGISTERED: Mapping[str, JobField] = {
    "dataset_name": JobField("dataset", "name", _option(str, "A registered dataset instead.")),
}
"""Only a service knows names."""

PROXY: Mapping[str, JobField] = {
    "proxy": JobField(
        "proxy",
        "name",
        _option(str, "mlp, cnn, resnet9, resnet18, frozen-encoder, encoder, lora, or an installed one."),
    ),
    "model": JobField("proxy", "model", _option(str, "The pretrained model of the proxy: a name, or a path.")),
    "train_blocks": JobField("proxy", "train_blocks", _option(int, "Train only so many last blocks of that model.")),
    "epochs": JobField("proxy", "epochs", _option(int, "Epochs of the proxy.")),
    "batch_size": JobField("proxy", "batch_size", _option(int, "Rows of a training step.")),
    "learning_rate": JobField("proxy", "learning_rate", _option(float, "Peak learning rate of the proxy.")),
    "weight_decay": JobField("proxy", "weight_decay", _option(float, "Weight decay of the proxy.")),
    "augment": JobField("proxy", "augment", _flag("Whether images are shifted and mirrored.", "augment")),
    "precision": JobField("proxy", "precision", _option(str, "float32 or bfloat16.")),
}

PLAN: Mapping[str, JobField] = {
    "keep": JobField(
        "plan",
        "keep_ratio",
        _option(str, "Fraction of the rows to retain, as 0.6; or auto: as few as the tolerance allows."),
        keep_ratio,
    ),
    "tolerance": JobField(
        "plan",
        "tolerance",
        _option(float, "With --keep auto: the points of accuracy that pruning may cost; 0.3 if not given."),
    ),
    "method": JobField("plan", "method", _option(str, "ted, or a rival of it: see the API's document.")),
    "score": JobField("plan", "score", _option(str, "What ted ranks rows by: margin, probability or parameter.")),
    "q": JobField("plan", "q", _option(str, "Exponent of the score, or auto: measured."), number_or_word),
    "guard": JobField("plan", "guard", _flag("Return random rows where they prove to be clearly better.", "guard")),
    "rounds": JobField("plan", "rounds", _option(int, "Pruning rounds; a sixth of the epochs if not given.")),
    "class_floor": JobField(
        "plan", "class_floor", _option(float, "Smallest share of its rows that every class keeps, as 0.1.")
    ),
    "class_balance": JobField(
        "plan", "class_balance", _option(str, "free, or keep: every class is drawn at the same ratio.")
    ),
    "sampling": JobField(
        "plan", "sampling", _option(str, "global, or sharded: each of a worker's ranks reads files of its own.")
    ),
    "seed": JobField("plan", "seed", _option(int, "Seed of every random choice.")),
}

BESIDE: Mapping[str, JobField] = {
    "strict": JobField(JOB, "strict", _flag("Refuse what would be warned of.", "strict")),
    "report_samples": JobField(
        JOB, "report_samples", _flag("Whether report and estimate show what rows hold.", "report-samples")
    ),
}
STORED: Mapping[str, JobField] = {
    "deadline": JobField(
        JOB, "deadline_seconds", _option(int, "Seconds after which the job expires unless it has finished.")
    ),
    "metadata": JobField(
        JOB,
        "metadata",
        _option(list[str], "Your own label, as KEY=VALUE; may be repeated."),
        lambda labels: dict(map(label, labels or ())) or None,
    ),
    "name": JobField(
        "metadata", "name", _option(str, "A name by which other commands find the job: the label of this name.")
    ),
}
"""What means something only where jobs are stored."""

LOCAL_JOB = {**DATASET, **PROXY, **PLAN, **BESIDE}
WHOLE_JOB = {**REGISTERED, **DATASET, **PROXY, **PLAN, **BESIDE, **STORED}


def job_options(fields: Mapping[str, JobField], values: Mapping[str, Any]) -> JobOptions:
    """Return what these options say."""
    parts: dict[str, dict[str, Any]] = {"dataset": {}, "proxy": {}, "plan": {}, "metadata": {}, JOB: {}}
    for option, field in fields.items():
        parts[field.part][field.name] = field.read(values[option])
    labels = without_none({**(parts[JOB].pop("metadata", None) or {}), **parts["metadata"]})
    job = {**parts[JOB], "metadata": labels or None}
    return JobOptions(dataset=parts["dataset"], proxy=parts["proxy"], plan=parts["plan"], job=job)


def takes(fields: Mapping[str, JobField]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options; it is called with ``options``, what they say, in their place."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        def run(**arguments: Any) -> None:
            said = {name: arguments.pop(name) for name in fields}
            command(**arguments, options=job_options(fields, said))

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "options"]
        run.__signature__ = inspect.Signature([*own, *_parameters(fields)])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in [*own, *_parameters(fields)]}
        return run

    return decorated


def _parameters(fields: Mapping[str, JobField]) -> Iterable[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, keyword, default=None, annotation=field.option) for name, field in fields.items()]


def option_names() -> Mapping[str, str]:
    """Return the option of every field, by the field's path in a request: plan.keep_ratio → --keep."""
    return {
        ".".join(filter(None, (field.part, field.name))): "--" + option.replace("_", "-")
        for option, field in WHOLE_JOB.items()
    }
