"""The subcommands about jobs that have been submitted."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ted_cli.job_summary import job_summary
from ted_cli.options import JobIdArgument, JsonOption, client
from ted_cli.terminal import err, out, print_text
from ted_cli.warnings import print_warnings
from ted_client.flow import JsonObject
from ted_client.progress import job_table, outcome_line, progress_display
from ted_core.terminal_text import printable

if TYPE_CHECKING:
    from ted_client.client import Job

app = typer.Typer()


@app.command()
def watch(context: typer.Context, job_id: JobIdArgument) -> None:
    """Show a job's progress until it has ended; the exit status is 1 unless it succeeded."""
    with client(context) as service:
        show_until_ended(service.job(job_id))


def show_until_ended(job: "Job", *, warned: Sequence[JsonObject] = ()) -> None:
    """Show the job's progress, the warnings but those shown before, and how it ended.

    Raise JobNotSucceeded unless it succeeded.
    """
    with progress_display(err) as show:
        ended = job.wait(on_progress=show)
    print_warnings([warning for warning in ended.warnings if warning not in warned])
    print_text(outcome_line(ended.require_success()), console=err)


@app.command()
def show(context: typer.Context, job_id: JobIdArgument, json_: JsonOption = False) -> None:
    """Show a job: what was asked for, how it stands, what came out."""
    with client(context) as service:
        job = service.job(job_id)
    if json_:
        typer.echo(json.dumps(job.facts, indent=2))
    else:
        out.print(job_summary(job), highlight=False)


@app.command(name="list")
def list_jobs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20,
    status: Annotated[list[str] | None, typer.Option(help="Only in this status; may be repeated.")] = None,
    metadata: Annotated[list[str] | None, typer.Option(help="Only with this label, as KEY=VALUE.")] = None,
) -> None:
    """List jobs, newest first."""
    with client(context) as service:
        labels = dict(map(_label, metadata or ()))
        out.print(job_table(service.jobs(limit=limit, status=status or (), metadata=labels)))


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--metadata")
    return key, value


@app.command()
def cancel(context: typer.Context, job_id: JobIdArgument) -> None:
    """Cancel a job."""
    with client(context) as service:
        print_text(f"{job_id} is {service.cancel(job_id).status}")


@app.command()
def delete(context: typer.Context, job_id: JobIdArgument) -> None:
    """Delete a job that has ended, with its events and files."""
    with client(context) as service:
        service.delete(job_id)
    print_text(f"{job_id} is deleted")


@app.command()
def events(
    context: typer.Context,
    job_id: JobIdArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Only what follows this number.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Show what has happened to a job."""
    with client(context) as service:
        read = service.follow if follow else service.events
        for event in read(job_id, after=after):
            print_text(json.dumps(event) if json_ else _event_line(event))


def _event_line(event: JsonObject) -> str:
    created_at = str(event["created_at"])[:19].replace("T", " ")
    facts = " ".join(f"{name}={printable(str(value))}" for name, value in event["data"].items() if value is not None)
    return f"{event['sequence']:>5}  {created_at}  {event['type']:<16} {facts}".rstrip()
