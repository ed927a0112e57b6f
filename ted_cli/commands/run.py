"""``ted run``: what the service does with a job, in one command and without a service."""

import json
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.extras import USAGE_ERROR, require
from ted_cli.options import JobFileArgument, JsonOption, ServiceOptions
from ted_cli.request.document import read_document
from ted_cli.request.faults import fault_text
from ted_cli.request.job_request import JobOptions
from ted_cli.request.options import LOCAL_JOB, takes
from ted_cli.terminal import err, print_error, print_text
from ted_cli.warnings import print_warnings
from ted_client.flow import JsonObject
from ted_client.job import JobSnapshot
from ted_client.progress import JobCallback, kept_line, progress_display

app = typer.Typer()
FAILED, SIGNALLED = 1, 128


@app.command()
@takes(LOCAL_JOB)
def run(
    context: typer.Context,
    job: JobFileArgument = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the results.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results that lie there.")] = False,
    json_: JsonOption = False,
    *,
    options: JobOptions,
) -> None:
    """Prune a dataset here and now, without a service.

    Manifest, decisions, suspects and report go to the folder --out. Interrupted, the same command goes on from its last
    checkpoint. Exit status: 0 selected; 1 failed; 2 the request is refused; 75 failed, but may succeed if repeated; 130
    or 143 interrupted.
    """
    require(context, "worker")
    if out is None:
        raise typer.BadParameter("name the folder of the results", param_hint="--out")
    from ted_cli.local.run import RunInterrupted, run_locally  # noqa: PLC0415 - only here, since it needs a POSIX system

    request = options.apply_to(read_document(job))
    folder = out.expanduser().resolve()
    service: ServiceOptions = context.obj
    try:
        with progress_display(err) as show:
            on_change = _noting_resumption(show)
            ended = run_locally(request, folder, home=service.home, overwrite=overwrite, on_change=on_change)
    except RunInterrupted as interrupted:
        _say_interrupted(folder, interrupted.signal)
    if json_:
        typer.echo(json.dumps(ended.facts))
    _conclude(ended, quiet=json_)


def _noting_resumption(show: JobCallback) -> JobCallback:
    """Return the function, which first says once that an interrupted run goes on."""
    rounds = set[int]()

    def show_all(job: JobSnapshot) -> None:
        done = _facts(job)["resumed_from"]
        if done is not None and done not in rounds:
            rounds.add(done)
            print_text(f"goes on after round {done}, from the checkpoint", console=err)
        show(job)

    return show_all


def _facts(run: JobSnapshot) -> JsonObject:
    """Return the run's facts: those of a job, its files, and the round after which it was resumed."""
    return run.facts


def _say_interrupted(folder: Path, number: int) -> None:
    from_checkpoint = any(folder.glob(".ted-run/*.safetensors"))
    how = "goes on from the last checkpoint" if from_checkpoint else "starts anew, since there is no checkpoint yet"
    print_text(f"interrupted by {signal.Signals(number).name}; the same command {how}", console=err)
    raise typer.Exit(SIGNALLED + number)


def _conclude(ended: JobSnapshot, *, quiet: bool) -> None:
    """Say how it has ended, and exit accordingly."""
    print_warnings(ended.warnings)
    if ended.status == "succeeded":
        print_text(kept_line(ended), console=err)
        if not quiet:
            for path in _facts(ended)["files"].values():
                print_text(path)
        return
    print_error(fault_text(ended.error))
    if ended.status == "refused":
        raise typer.Exit(USAGE_ERROR)
    raise typer.Exit(os.EX_TEMPFAIL if ended.error["retryable"] else FAILED)
