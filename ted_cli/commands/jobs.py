"""The subcommands about jobs that have been submitted."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ted_cli.job_summary import job_summary
from ted_cli.options import JobIdArgument, JsonOption, client
from ted_cli.request.jobs import NAME_LABEL, job_id
from ted_cli.request.values import label
from ted_cli.terminal import (
    err,
    is_narrow,
    out,
    print_hint,
    print_json,
    print_json_lines,
    print_outcome,
    print_table,
    print_text,
)
from ted_cli.warnings import print_warnings
from ted_client.errors import TedApiError
from ted_client.flow import JsonObject
from ted_client.progress import job_table, outcome_line, progress_display, progress_line, queue_line
from ted_core.terminal_text import printable

if TYPE_CHECKING:
    from ted_client.client import Job

app = typer.Typer()


@app.command()
def watch(context: typer.Context, job: JobIdArgument, json_: JsonOption = False) -> None:
    """Show a job's progress until it has ended; the exit status is 1 unless it succeeded."""
    with client(context) as service:
        show_until_ended(service.job(job_id(service, job)), json_=json_)


def show_until_ended(job: "Job", *, warned: Sequence[JsonObject] = (), json_: bool = False) -> None:
    """Show the job's progress, the warnings but those shown before, how it ended, and what can be done next.

    Raise JobNotSucceeded unless it succeeded. Ctrl-C ends the watching alone.
    """
    if job.status == "queued":
        print_hint(status_line(job))
    try:
        with progress_display(err) as show:
            ended = job.wait(on_progress=show)
    except KeyboardInterrupt:
        print_text(f"{job.id} goes on; `ted watch {job.id}` shows it again, `ted cancel {job.id}` ends it", console=err)
        raise
    if json_:
        print_json(ended.facts)
    print_warnings([warning for warning in ended.warnings if warning not in warned])
    print_text(outcome_line(ended.require_success()), console=err)
    print_hint(f"next: ted download {job.id}, ted report {job.id}")


def status_line(job: "Job") -> str:
    """Say in a few words what the job is doing or, if it is queued, where it stands."""
    if job.status == "queued":
        with suppress(TedApiError):  # an older service does not tell
            return queue_line(job.queue())
    return progress_line(job)


@app.command()
def show(context: typer.Context, job: JobIdArgument, json_: JsonOption = False) -> None:
    """Show a job: what was asked for, how it stands, what came out."""
    with client(context) as service:
        found = service.job(job_id(service, job))
        if json_:
            print_json(found.facts)
        else:
            out.print(job_summary(found, status_line(found)), highlight=False)


@app.command()
def status(
    context: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="The job; the service itself unless given.")] = None,
    json_: JsonOption = False,
) -> None:
    """Say in one line how a job stands, or the service."""
    with client(context) as service:
        if job:
            found = service.job(job_id(service, job))
            if json_:
                print_json(found.facts)
            else:
                print_text(f"{found.id} {status_line(found)}")
            return
        facts = {"url": service.url, **service.ready()}
    if json_:
        print_json(facts)
    else:
        print_text(f"{facts['url']} {facts['status']}" + (f": {facts['reason']}" if facts.get("reason") else ""))


@app.command(name="list")
def list_jobs(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20,
    status: Annotated[list[str] | None, typer.Option(help="Only in this status; may be repeated.")] = None,
    metadata: Annotated[list[str] | None, typer.Option(help="Only with this label, as KEY=VALUE.")] = None,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    json_: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    labels = dict(map(label, metadata or ())) | ({NAME_LABEL: name} if name else {})
    with client(context) as service:
        jobs = service.jobs(limit=limit if json_ else limit + 1, status=status or (), metadata=labels)
        if json_:
            print_json_lines(job.facts for job in jobs)
            return
        listed = list(jobs)
    print_table(job_table(listed[:limit], short_ids=is_narrow()))
    if len(listed) > limit:
        print_hint(f"the newest {limit:,}; --limit shows more")


@app.command()
def cancel(context: typer.Context, job: JobIdArgument, json_: JsonOption = False) -> None:
    """Cancel a job."""
    with client(context) as service:
        cancelled = service.cancel(job_id(service, job))
    print_outcome(f"{cancelled.id} is {cancelled.status}", cancelled.facts, json_=json_)


@app.command()
def delete(context: typer.Context, job: JobIdArgument, json_: JsonOption = False) -> None:
    """Delete a job that has ended, with its events and files."""
    with client(context) as service:
        found = job_id(service, job)
        service.delete(found)
    print_outcome(f"{found} is deleted", {"id": found, "deleted": True}, json_=json_)


@app.command()
@app.command(name="logs", hidden=True)
def events(
    context: typer.Context,
    job: JobIdArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Only what follows this number.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Show what has happened to a job."""
    with client(context) as service:
        read = service.follow if follow else service.events
        for event in read(job_id(service, job), after=after):
            print_text(json.dumps(event) if json_ else _event_line(event))


def _event_line(event: JsonObject) -> str:
    created_at = str(event["created_at"])[:19].replace("T", " ")
    facts = " ".join(f"{name}={printable(str(value))}" for name, value in event["data"].items() if value is not None)
    return f"{event['sequence']:>5}  {created_at}  {event['type']:<16} {facts}".rstrip()
