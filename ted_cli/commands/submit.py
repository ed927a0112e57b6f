"""``ted submit`` and ``ted retry``."""

from typing import TYPE_CHECKING, Annotated

import typer

from ted_cli.commands.jobs import show_until_ended
from ted_cli.estimate import estimate_summary
from ted_cli.options import JobFileArgument, JobIdArgument, client
from ted_cli.request.document import read_document
from ted_cli.request.job_request import JobOptions
from ted_cli.request.options import WHOLE_JOB, takes
from ted_cli.terminal import out
from ted_cli.warnings import print_warnings

if TYPE_CHECKING:
    from ted_client.client import Job

app = typer.Typer()
WatchOption = Annotated[bool, typer.Option("--watch", help="Show progress until the job has ended.")]


@app.command()
@takes(WHOLE_JOB)
def submit(
    context: typer.Context,
    job: JobFileArgument = None,
    watch: WatchOption = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what the job would take; nothing is stored.")
    ] = False,
    *,
    options: JobOptions,
) -> None:
    """Submit a pruning job and print its id."""
    request = options.apply_to(read_document(job))
    with client(context) as service:
        if estimate:
            out.print(estimate_summary(service.estimate(request)), highlight=False)
            return
        _show_submitted(service.submit(request), watch=watch)


def _show_submitted(job: "Job", *, watch: bool) -> None:
    """Print the job's id and its warnings; if it is watched, progress until it has ended."""
    typer.echo(job.id)
    print_warnings(job.warnings)
    if watch:
        show_until_ended(job, warned=job.warnings)


@app.command()
def retry(context: typer.Context, job_id: JobIdArgument, watch: WatchOption = False) -> None:
    """Submit an ended job again, and print the new job's id."""
    with client(context) as service:
        _show_submitted(service.retry(job_id), watch=watch)
