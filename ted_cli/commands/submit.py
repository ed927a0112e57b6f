"""``ted submit`` and ``ted retry``."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ted_cli.commands.jobs import show_until_ended
from ted_cli.estimate import estimate_table
from ted_cli.job_request import JobOptions, one_or_many
from ted_cli.options import JobIdArgument, client
from ted_cli.terminal import out
from ted_client.errors import ClientError

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
    format: Annotated[str | None, typer.Option(help="parquet, jsonl, csv …: docs/families/formats.md.")] = None,  # noqa: A002
    task: Annotated[str | None, typer.Option(help="image-, tabular- or text-classification, or causal-lm.")] = None,
    input: Annotated[list[str] | None, typer.Option(help="Input column; may be repeated.")] = None,  # noqa: A002
    target: Annotated[
        list[str] | None, typer.Option(help="Column with the class; several columns of 0 and 1 if repeated.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels that images are resized to, each way.")] = None,
    missing: Annotated[str | None, typer.Option(help="refuse or impute missing values of a table.")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="mlp, cnn, resnet18, frozen-encoder, encoder, lora, or an installed one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The pretrained model of the proxy: a name, or a path.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the proxy.")] = None,
    keep: Annotated[float | None, typer.Option(help="Fraction of the rows to retain.")] = None,
    method: Annotated[str | None, typer.Option(help="ted, or a rival of it: see the API's document.")] = None,
    q: Annotated[str | None, typer.Option(help="Exponent of the score, or auto: measured.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice.")] = None,
    watch: WatchOption = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what the job would take; nothing is stored.")
    ] = False,
) -> None:
    """Submit a pruning job and print its id."""
    options = JobOptions(
        dataset={
            "name": dataset_name,
            "uri": dataset,
            "format": format,
            "task": task,
            "input": one_or_many(input),
            "target": one_or_many(target),
            "image_size": image_size,
            "missing": missing,
        },
        proxy={"name": proxy, "model": model, "epochs": epochs},
        plan={"keep_ratio": keep, "method": method, "q": _exponent(q), "seed": seed},
    )
    request = options.apply_to(_document(job))
    with client(context) as service:
        if estimate:
            out.print(estimate_table(service.estimate(request)), highlight=False)
            return
        stored = service.submit(request)
        typer.echo(stored.id)
        if watch:
            show_until_ended(stored)


@app.command()
def retry(context: typer.Context, job_id: JobIdArgument, watch: WatchOption = False) -> None:
    """Submit an ended job again, and print the new job's id."""
    with client(context) as service:
        stored = service.retry(job_id)
        typer.echo(stored.id)
        if watch:
            show_until_ended(stored)


def _exponent(text: str | None) -> float | str | None:
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
