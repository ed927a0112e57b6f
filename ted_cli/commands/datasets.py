"""``ted datasets``: names that jobs may use instead of a location."""

from dataclasses import replace
from typing import Annotated

import typer

from ted_cli.options import JsonOption, client
from ted_cli.request.job_request import JobOptions
from ted_cli.request.options import READING, takes
from ted_cli.terminal import print_json, print_outcome, print_records
from ted_cli.warnings import print_warnings

app = typer.Typer(help="Names for datasets.", no_args_is_help=True)
DatasetNameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The registered name.")]
NOT_COUNTED = "its rows are too many to be counted yet"
COLUMNS = ("name", "rows", "columns", "created_at")


@app.command()
@takes(READING)
def add(
    context: typer.Context,
    name: DatasetNameArgument,
    dataset: Annotated[str, typer.Argument(help="Path, file://, s3:// or gs:// URI of the data.")],
    task: Annotated[str, typer.Option(help="image-, tabular- or text-classification, or causal-lm.")],
    json_: JsonOption = False,
    *,
    options: JobOptions,
) -> None:
    """Check a dataset and give it a name."""
    described = replace(options, dataset={"uri": dataset, "task": task, **options.dataset})
    with client(context) as service:
        registered = service.register_dataset(name, described.apply_to({})["dataset"])
    rows = registered["rows"]
    said = f"{registered['name']} has {rows:,} rows" if rows else f"{registered['name']} is added; {NOT_COUNTED}"
    print_outcome(said, registered, json_=json_)
    print_warnings(registered.get("warnings") or ())


@app.command(name="list")
def list_datasets(context: typer.Context, json_: JsonOption = False) -> None:
    """List the names."""
    with client(context) as service:
        print_records(service.datasets(), COLUMNS, json_=json_)


@app.command()
def show(context: typer.Context, name: DatasetNameArgument, _json: JsonOption = False) -> None:
    """Show what a name stands for, as JSON."""
    with client(context) as service:
        print_json(service.dataset(name))


@app.command()
def remove(context: typer.Context, name: DatasetNameArgument, json_: JsonOption = False) -> None:
    """Forget a name; the dataset itself stays as it is."""
    with client(context) as service:
        service.forget_dataset(name)
    print_outcome(f"{name} is forgotten", {"name": name, "deleted": True}, json_=json_)
