"""The subcommands about a job's results."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.options import JobIdArgument, JsonOption, client
from ted_cli.report_summary import summary
from ted_cli.terminal import out, print_text

app = typer.Typer()


@app.command()
def download(
    context: typer.Context,
    job_id: JobIdArgument,
    to: Annotated[Path | None, typer.Option(help="Where to; ./JOB-manifest.parquet unless set.")] = None,
    decisions: Annotated[bool, typer.Option("--decisions", help="Every row and why, instead of the manifest.")] = False,
    keep: Annotated[
        float | None, typer.Option(help="The manifest at another ratio, cut from the same decisions.")
    ] = None,
) -> None:
    """Download a job's manifest, checked against its digest; again after an interruption, it goes on from there."""
    if decisions and keep is not None:
        raise typer.BadParameter("decisions are the same at every ratio", param_hint="--keep")
    kind = "decisions" if decisions else "manifest"
    name = kind if keep is None else f"{kind}-{keep:g}"
    with client(context) as service:
        path = service.download(job_id, to or Path(f"{job_id}-{name}.parquet"), kind=kind, keep_ratio=keep)
    print_text(path)


@app.command()
def report(
    context: typer.Context,
    job_id: JobIdArgument,
    html: Annotated[Path | None, typer.Option(help="Save it there as a page that needs nothing else.")] = None,
    json_: JsonOption = False,
) -> None:
    """Show what became of a job's rows, and what the selection cost."""
    with client(context) as service:
        if html:
            print_text(service.report_page(job_id, html))
            return
        contents = service.report(job_id)
    if json_:
        typer.echo(json.dumps(contents, indent=2))
    else:
        out.print(summary(contents), highlight=False)
