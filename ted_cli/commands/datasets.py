"""``ted datasets``: names that jobs may use instead of a location."""

import json
from typing import Annotated

import typer

from ted_cli.job_request import JobOptions, one_or_many
from ted_cli.options import client
from ted_cli.terminal import out, print_text, record_table

app = typer.Typer(help="Names for datasets.", no_args_is_help=True)
DatasetNameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The registered name.")]
COLUMNS = ("name", "rows", "columns", "created_at")


@app.command()
def add(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    name: DatasetNameArgument,
    dataset: Annotated[str, typer.Argument(help="Path, file://, s3:// or gs:// URI of the data.")],
    task: Annotated[str, typer.Option(help="image-, tabular- or text-classification, or causal-lm.")],
    format: Annotated[str | None, typer.Option(help="parquet, jsonl, csv …: docs/families/formats.md.")] = None,  # noqa: A002
    input: Annotated[list[str] | None, typer.Option(help="Input column; may be repeated.")] = None,  # noqa: A002
    target: Annotated[list[str] | None, typer.Option(help="Column with the class; may be repeated.")] = None,
) -> None:
    """Check a dataset and give it a name."""
    columns = {"input": one_or_many(input), "target": one_or_many(target)}
    options = JobOptions(dataset={"uri": dataset, "task": task, "format": format, **columns}, proxy={}, plan={})
    with client(context) as service:
        registered = service.register_dataset(name, options.apply_to({})["dataset"])
    print_text(f"{registered['name']} has {registered['rows']:,} rows")


@app.command(name="list")
def list_datasets(context: typer.Context) -> None:
    """List the names."""
    with client(context) as service:
        out.print(record_table(service.datasets(), COLUMNS), highlight=False)


@app.command()
def show(context: typer.Context, name: DatasetNameArgument) -> None:
    """Show what a name stands for, as JSON."""
    with client(context) as service:
        typer.echo(json.dumps(service.dataset(name), indent=2))


@app.command()
def remove(context: typer.Context, name: DatasetNameArgument) -> None:
    """Forget a name; the dataset itself stays as it is."""
    with client(context) as service:
        service.forget_dataset(name)
    print_text(f"{name} is forgotten")
