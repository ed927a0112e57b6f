"""``ted prove``: whether a selection costs accuracy, shown on fresh models."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ted_cli.evaluation import evaluation_table, run_evaluation, verdict_lines
from ted_cli.extras import require
from ted_cli.options import JsonOption
from ted_cli.request.artifacts import selection_file
from ted_cli.request.job_request import absolute_uri
from ted_cli.terminal import err, out

app = typer.Typer()


@app.command()
def prove(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    selection: Annotated[
        str, typer.Argument(metavar="JOB", help="The job, its manifest's path, or the folder of a `ted run`.")
    ],
    test: Annotated[str, typer.Option(help="Path or URI of test data, in the form of the job's dataset.")],
    test_split: Annotated[str | None, typer.Option(help="Its part to read, where several lie side by side.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Where the job's dataset lies for this machine; as in the job unless set.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The proxy to train; unless set, the one that judged the rows, as it was.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=2, help="Of --model.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Models on each choice of rows.")] = 3,
    tolerance: Annotated[float, typer.Option(min=0.001, help="Points that still count as lossless.")] = 0.3,
    device: Annotated[
        str, typer.Option(help="cpu, cuda or another of torch's; auto takes a GPU if there is one.")
    ] = "auto",
    json_: JsonOption = False,
) -> None:
    """Train models here on a job's rows, on random and on all rows, and test them on data that the job has not seen."""
    require(context, "worker")
    if epochs is not None and model is None:
        raise typer.BadParameter("it belongs to --model", param_hint="--epochs")
    with selection_file(context, selection) as manifest:
        request = {
            "manifest": str(manifest),
            "train": dataset and absolute_uri(dataset),
            "test": absolute_uri(test),
            "test_split": test_split,
            "proxy": model and {"name": model, "epochs": epochs},
            "seeds": seeds,
            "tolerance": tolerance,
            "device": device,
        }
        evaluation = run_evaluation(request, on_run=_say)
    if json_:
        typer.echo(json.dumps(evaluation, indent=2))
        return
    out.print(evaluation_table(evaluation))
    out.print(*verdict_lines(evaluation), sep="\n", highlight=False)


def _say(run: Mapping[str, Any]) -> None:
    err.print(f"seed {run['seed']}, {run['trained_on']}, {run['rows']:,} rows: {run['accuracy']:.2%}", highlight=False)
