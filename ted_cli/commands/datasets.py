"""``ted datasets``: names that jobs may use instead of a location."""

import json
from typing import Annotated

import typer

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
from ted_cli.job_request import JobOptions
from ted_cli.options import client
from ted_cli.terminal import out, print_text, record_table
from ted_cli.warnings import print_warnings

app = typer.Typer(help="Names for datasets.", no_args_is_help=True)
DatasetNameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The registered name.")]
NOT_COUNTED = "its rows are too many to be counted yet"
COLUMNS = ("name", "rows", "columns", "created_at")


@app.command()
def add(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    name: DatasetNameArgument,
    dataset: Annotated[str, typer.Argument(help="Path, file://, s3:// or gs:// URI of the data.")],
    task: Annotated[str, typer.Option(help="image-, tabular- or text-classification, or causal-lm.")],
    format: FormatOption = None,  # noqa: A002
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
) -> None:
    """Check a dataset and give it a name."""
    described = {"uri": dataset, "task": task, **reading_options(context)}
    options = JobOptions(dataset=described, proxy={}, plan={})
    with client(context) as service:
        registered = service.register_dataset(name, options.apply_to({})["dataset"])
    rows = registered["rows"]
    print_text(f"{registered['name']} has {rows:,} rows" if rows else f"{registered['name']} is added; {NOT_COUNTED}")
    print_warnings(registered.get("warnings") or ())


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
