"""A job on a terminal."""

from collections.abc import Iterator

from rich.console import Group

from ted_cli.terminal import facts_table
from ted_cli.warnings import warning_table
from ted_client.job import JobSnapshot
from ted_client.progress import ratio_text, rows_text


def job_summary(job: JobSnapshot, status: str) -> Group:
    """Return what was asked for, how the job stands, and its warnings."""
    table = facts_table(_facts(job, status))
    return Group(table, warning_table(job.warnings)) if job.warnings else Group(table)


def _facts(job: JobSnapshot, status: str) -> Iterator[tuple[str, str]]:
    facts = job.facts
    yield "job", job.id
    if job.name:
        yield "name", job.name
    yield "status", status
    if reason := job.error.get("message") or facts["status_reason"]:
        yield "reason", reason
    yield "dataset", f"{facts['dataset']['uri']} ({facts['dataset']['format']}, {facts['dataset']['task']})"
    yield "proxy", f"{facts['proxy']['name']}, {facts['proxy']['epochs']:,} epochs"
    yield "plan", f"{facts['plan']['method']}, to keep {_ratio(job)} of {rows_text(job)}"
    if job.result:
        yield "kept", f"{job.result['rows_kept']:,} of {job.result['rows_in']:,} rows"
    yield "created", str(facts["created_at"])[:19].replace("T", " ")


def _ratio(job: JobSnapshot) -> str:
    """Return the keep ratio; where it was left open, with what pruning may cost."""
    tolerance = job.facts["plan"].get("tolerance")
    return f"{ratio_text(job)} (at most {tolerance:g} points lost)" if tolerance else ratio_text(job)
