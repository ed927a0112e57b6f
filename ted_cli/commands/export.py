"""``ted export``: a job's retained rows, written for another program."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.extras import require
from ted_cli.options import client
from ted_cli.request.jobs import job_id
from ted_cli.terminal import err, print_text
from ted_core.export.names import EXPORT_FORMATS

app = typer.Typer()


@app.command()
def export(
    context: typer.Context,
    *,
    to: Annotated[Path, typer.Option(help="The folder to write, which must not exist yet.")],
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help=f"One of {', '.join(EXPORT_FORMATS)}.",
            autocompletion=lambda: [*EXPORT_FORMATS],
        ),
    ],
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="The job's id, its beginning, or its name; or give --manifest."),
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="A manifest that lies here, instead of a job's.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Where the dataset lies, as seen from here; where the job read it unless set.")
    ] = None,
    keep: Annotated[float | None, typer.Option(help="The rows at another ratio, cut from the same decisions.")] = None,
) -> None:
    """Write a job's retained rows for another program; again after an interruption, it goes on from there."""
    require(context, "manifest")
    if form not in EXPORT_FORMATS:
        raise typer.BadParameter(f"{form!r} is not one of {', '.join(EXPORT_FORMATS)}", param_hint="--as")
    if (job is None) == (manifest is None):
        raise typer.BadParameter("name a job or a manifest, and not both", param_hint="JOB")
    if manifest is not None and keep is not None:
        raise typer.BadParameter("a manifest has the ratio that it has", param_hint="--keep")
    with tempfile.TemporaryDirectory() as folder:
        path = manifest or _downloaded(context, str(job), Path(folder), keep)
        _export(path, to, form=form, dataset=dataset)
    print_text(to)


def _downloaded(context: typer.Context, job: str, folder: Path, keep: float | None) -> Path:
    with client(context) as service:
        return service.download(job_id(service, job), folder / "manifest.parquet", keep_ratio=keep)


def _export(manifest: Path, to: Path, *, form: str, dataset: str | None) -> None:
    from rich.progress import Progress  # noqa: PLC0415 - only here

    from ted_core.export.exporting import export as write  # noqa: PLC0415 - it loads what reads every format

    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task("rows", total=None)
        write(
            manifest,
            to,
            form=form,
            dataset=dataset,
            watch=lambda done, total: progress.update(bar, completed=done, total=total),
        )
