"""``ted submit`` and ``ted retry``."""

from typing import TYPE_CHECKING, Annotated

import typer

from ted_cli.commands.jobs import show_until_ended
from ted_cli.estimate import estimate_summary
from ted_cli.options import JobFileArgument, JobIdArgument, JsonOption, client
from ted_cli.request.document import read_document
from ted_cli.request.job_request import JobOptions
from ted_cli.request.jobs import job_id
from ted_cli.request.options import WHOLE_JOB, takes
from ted_cli.terminal import out, print_hint, print_json, print_text
from ted_cli.warnings import print_warnings
from ted_client.flow import JsonObject

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
    json_: JsonOption = False,
    *,
    options: JobOptions,
) -> None:
    """Submit a pruning job and print its id."""
    request = options.apply_to(read_document(job))
    with client(context) as service:
        if estimate:
            _show_estimate(service.estimate(request), json_=json_)
        else:
            _show_submitted(service.submit(request), watch=watch, json_=json_)


def _show_estimate(facts: JsonObject, *, json_: bool) -> None:
    if json_:
        print_json(facts)
    else:
        out.print(estimate_summary(facts), highlight=False)


def _show_submitted(job: "Job", *, watch: bool, json_: bool) -> None:
    """Print the job's id, or all of it, and its warnings; if it is watched, progress until it has ended."""
    if not (json_ and watch):
        print_json(job.facts) if json_ else print_text(job.id)
    print_warnings(job.warnings)
    if watch:
        show_until_ended(job, warned=job.warnings, json_=json_)
    else:
        print_hint(f"next: ted watch {job.id}")


@app.command()
def retry(context: typer.Context, job: JobIdArgument, watch: WatchOption = False, json_: JsonOption = False) -> None:
    """Submit an ended job again, and print the new job's id."""
    with client(context) as service:
        _show_submitted(service.retry(job_id(service, job)), watch=watch, json_=json_)
