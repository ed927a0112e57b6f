"""The subcommands about a job's results."""

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ted_cli.extras import require
from ted_cli.options import JobIdArgument, JsonOption, client
from ted_cli.report_summary import summary
from ted_cli.request.jobs import job_id
from ted_cli.suspects import WRITERS, suspects_summary, write_suspects
from ted_cli.terminal import out, print_hint, print_outcome, print_text

if TYPE_CHECKING:
    from ted_client.client import Client

app = typer.Typer()
STANDARD_OUTPUT = "-"
PARQUET = ".parquet"
SHOWN = 20
"""Suspects on a terminal."""


@app.command()
def download(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    job: JobIdArgument,
    to: Annotated[
        Path | None, typer.Option(help="A file, a folder, or - for standard output; ./JOB-manifest.parquet unless set.")
    ] = None,
    decisions: Annotated[bool, typer.Option("--decisions", help="Every row and why, instead of the manifest.")] = False,
    keep: Annotated[
        float | None, typer.Option(help="The manifest at another ratio, cut from the same decisions.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Download a job's manifest, checked against its digest; again after an interruption, it goes on from there."""
    if json_ and str(to) == STANDARD_OUTPUT:
        raise typer.BadParameter("standard output has the file already", param_hint="--json")
    if decisions and keep is not None:
        raise typer.BadParameter("decisions are the same at every ratio", param_hint="--keep")
    kind = "decisions" if decisions else "manifest"
    name = kind if keep is None else f"{kind}-{keep:g}"
    with client(context) as service:
        found = job_id(service, job)
        download = partial(service.download, found, kind=kind, keep_ratio=keep)
        if str(to) == STANDARD_OUTPUT:
            _to_standard_output(download)
            return
        path = download(_place(to, f"{found}-{name}.parquet"))
    print_outcome(path, {"job": found, "kind": kind, "keep_ratio": keep, "path": str(path)}, json_=json_)
    if kind == "manifest":
        print_hint(f"next: ted verify {path} DATASET, and train on its rows: docs/client.md")


def _place(to: Path | None, name: str) -> Path:
    """The file to write: in a folder that exists, or that the path says is one, under this name."""
    if to is None:
        return Path(name)
    return to / name if to.is_dir() else to


def _to_standard_output(download: Callable[[Path], Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.buffer.write(download(Path(folder, "file")).read_bytes())


@app.command()
def verify(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="A downloaded manifest.")],
    dataset: Annotated[str, typer.Argument(help="Path or URI of the dataset, as it is now.")],
    json_: JsonOption = False,
) -> None:
    """Check that a manifest is whole, and that the dataset is still the one that it was made from."""
    require(context, "manifest")
    from ted_core.results import manifest as manifests  # noqa: PLC0415 - pyarrow takes its time

    checked = manifests.verify(manifest, dataset)
    kept, rows = checked.metadata.rows_kept, checked.metadata.dataset.rows
    facts = {"manifest": str(manifest), "dataset": dataset, "rows_kept": kept, "rows": rows, "fits": True}
    print_outcome(f"{manifest} fits {dataset}: {kept:,} of {rows:,} rows", facts, json_=json_)


@app.command()
def suspects(
    context: typer.Context,
    job: JobIdArgument,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"At most this many rows; unless set, {SHOWN} here and all in a file.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Save them there: .parquet, .csv or .json.")] = None,
    json_: JsonOption = False,
) -> None:
    """Show the rows whose labels look wrong, the most suspicious first, and about how many there are."""
    if output:
        _require_writable(output, limit=limit)
    with client(context) as service:
        if output:
            _save_suspects(service, job_id(service, job), output, limit=limit)
            print_text(output)
            return
        from ted_client.endpoints import LARGEST_SUSPECT_PAGE  # noqa: PLC0415 - httpx takes its time

        page = service.suspects_page(job_id(service, job), limit=min(limit or SHOWN, LARGEST_SUSPECT_PAGE))
    if json_:
        typer.echo(json.dumps(page, indent=2))
    else:
        out.print(*suspects_summary(page), sep="\n", highlight=False)


def _require_writable(path: Path, *, limit: int | None) -> None:
    """Refuse a name that asks for no form of file, and a part of a Parquet file."""
    if path.suffix.lower() not in (PARQUET, *WRITERS):
        raise typer.BadParameter(f"{path.name} must end in .parquet, .csv or .json", param_hint="--output")
    if path.suffix.lower() == PARQUET and limit is not None:
        raise typer.BadParameter("a Parquet file has all rows", param_hint="--limit")


def _save_suspects(service: "Client", found: str, path: Path, *, limit: int | None) -> None:
    """Save the list in the form that the file's name asks for."""
    if path.suffix.lower() == PARQUET:
        service.download(found, path, kind="suspects")
    else:
        write_suspects(path, service.suspects(found, limit=limit))


@app.command()
def report(
    context: typer.Context,
    job: JobIdArgument,
    html: Annotated[Path | None, typer.Option(help="Save it there as a page that needs nothing else.")] = None,
    json_: JsonOption = False,
) -> None:
    """Show what became of a job's rows, and what the selection cost."""
    with client(context) as service:
        if html:
            print_text(service.report_page(job_id(service, job), html))
            return
        contents = service.report(job_id(service, job))
    if json_:
        typer.echo(json.dumps(contents, indent=2))
    else:
        out.print(summary(contents), highlight=False)
