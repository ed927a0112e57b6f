"""The options that say where a dataset lies and how to read it."""

from typing import Annotated, Any

import typer

from ted_cli.job_request import one_or_many

FormatOption = Annotated[
    str | None,
    typer.Option(help="parquet, jsonl, csv …: docs/families/formats.md. Unless given, the one that the files show."),
]
InputOption = Annotated[list[str] | None, typer.Option(help="Input column; may be repeated.")]
TargetOption = Annotated[
    list[str] | None, typer.Option(help="Column with the class; several columns of 0 and 1 if repeated.")
]
ExcludeOption = Annotated[list[str] | None, typer.Option(help="Column that is no input; may be repeated.")]
SplitOption = Annotated[
    str | None, typer.Option(help="The part to read, such as train, where several lie side by side.")
]
HeaderOption = Annotated[
    bool | None, typer.Option("--header/--no-header", help="csv: whether the first line names the columns.")
]
QuotingOption = Annotated[
    bool | None, typer.Option("--quoting/--no-quoting", help="csv: whether values may stand in quotation marks.")
]
ImageSizeOption = Annotated[int | None, typer.Option(help="Pixels that images are resized to, each way.")]
ColourOption = Annotated[
    bool | None, typer.Option("--colour/--no-colour", help="Whether images have three channels or one.")
]
BackgroundOption = Annotated[str | None, typer.Option(help="white or black: what transparent images are laid on.")]
MissingOption = Annotated[str | None, typer.Option(help="refuse or impute missing values of a table.")]

READING = (
    *("format", "input", "target", "exclude", "split", "header", "quoting", "image_size", "colour", "background"),
    "missing",
)
"""The options above, as commands and requests call them."""


def reading_options(context: typer.Context) -> dict[str, Any]:
    """Return the values of these options in a command that has all of them, as a request has them."""
    options = {name: context.params[name] for name in READING}
    repeated = {name: list(options[name] or ()) for name in ("input", "target", "exclude")}
    columns = {name: one_or_many(repeated[name]) for name in ("input", "target")}
    return options | columns | {"exclude": repeated["exclude"] or None}
