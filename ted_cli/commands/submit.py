"""``ted submit`` and ``ted retry``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ted_cli.commands.jobs import show_until_ended
from ted_cli.dataset_options import (
    BackgroundOption,
    ColourOption,
    ExcludeOption,
    FormatOption,
    HeaderOption,
    ImageSizeOption,
    InputOption,
    MissingOption,
    QuotingOption,
    SplitOption,
    TargetOption,
    reading_options,
)
from ted_cli.estimate import estimate_summary
from ted_cli.job_request import JobOptions
from ted_cli.options import JobIdArgument, client
from ted_cli.terminal import out
from ted_cli.warnings import print_warnings
from ted_client.errors import ClientError

if TYPE_CHECKING:
    from ted_client.client import Job

app = typer.Typer()
WatchOption = Annotated[bool, typer.Option("--watch", help="Show progress until the job has ended.")]


@app.command()
def submit(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    job: Annotated[
        Path | None, typer.Argument(help="The job as a JSON file (- for standard input); options override it.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Path, file://, s3:// or gs:// URI of the data.")] = None,
    dataset_name: Annotated[str | None, typer.Option(help="A registered dataset instead.")] = None,
    format: FormatOption = None,  # noqa: A002
    task: Annotated[str | None, typer.Option(help="image-, tabular- or text-classification, or causal-lm.")] = None,
    input: InputOption = None,  # noqa: A002
    target: TargetOption = None,
    exclude: ExcludeOption = None,
    split: SplitOption = None,
    header: HeaderOption = None,
    quoting: QuotingOption = None,
    image_size: ImageSizeOption = None,
    colour: ColourOption = None,
    background: BackgroundOption = None,
    missing: MissingOption = None,
    proxy: Annotated[
        str | None,
        typer.Option(help="mlp, cnn, resnet9, resnet18, frozen-encoder, encoder, lora, or an installed one."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The pretrained model of the proxy: a name, or a path.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the proxy.")] = None,
    keep: Annotated[
        str | None, typer.Option(help="Fraction of the rows to retain, or auto: as few as the tolerance allows.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="With --keep auto: the points of accuracy that pruning may cost; 0.3 if not given."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="ted, or a rival of it: see the API's document.")] = None,
    q: Annotated[str | None, typer.Option(help="Exponent of the score, or auto: measured.")] = None,
    guard: Annotated[
        bool | None,
        typer.Option("--guard/--no-guard", help="Return random rows where they prove to be clearly better."),
    ] = None,
    class_balance: Annotated[
        str | None, typer.Option(help="free, or keep: every class is drawn at the same ratio.")
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(help="global, or sharded: each of a worker's ranks reads files of its own.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice.")] = None,
    strict: Annotated[bool | None, typer.Option("--strict/--no-strict", help="Refuse what would be warned of.")] = None,
    report_samples: Annotated[
        bool | None,
        typer.Option("--report-samples/--no-report-samples", help="Whether report and estimate show what rows hold."),
    ] = None,
    watch: WatchOption = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what the job would take; nothing is stored.")
    ] = False,
) -> None:
    """Submit a pruning job and print its id."""
    options = JobOptions(
        dataset={"name": dataset_name, "uri": dataset, "task": task, **reading_options(context)},
        proxy={"name": proxy, "model": model, "epochs": epochs},
        plan={
            "keep_ratio": number_or_word(keep),
            "tolerance": tolerance,
            "method": method,
            "q": number_or_word(q),
            "guard": guard,
            "class_balance": class_balance,
            "sampling": sampling,
            "seed": seed,
        },
        job={"strict": strict, "report_samples": report_samples},
    )
    request = options.apply_to(_document(job))
    with client(context) as service:
        if estimate:
            out.print(estimate_summary(service.estimate(request)), highlight=False)
            return
        _show_submitted(service.submit(request), watch=watch)


def _show_submitted(job: "Job", *, watch: bool) -> None:
    """Print the job's id and its warnings; if it is watched, progress until it has ended."""
    typer.echo(job.id)
    print_warnings(job.warnings)
    if watch:
        show_until_ended(job, warned=job.warnings)


@app.command()
def retry(context: typer.Context, job_id: JobIdArgument, watch: WatchOption = False) -> None:
    """Submit an ended job again, and print the new job's id."""
    with client(context) as service:
        _show_submitted(service.retry(job_id), watch=watch)


def number_or_word(text: str | None) -> float | str | None:
    """Return the number if it is one; the service checks the rest."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _document(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        document = json.loads(text)
    except (OSError, ValueError) as error:
        raise ClientError(f"{path} is not a readable JSON file ({error}).") from error
    if not isinstance(document, dict):
        raise ClientError(f"{path} must hold one JSON object.")
    return document
