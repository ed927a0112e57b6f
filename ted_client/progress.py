"""How jobs are shown on a terminal."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ted_client.flow import JsonObject
from ted_client.job import JobSnapshot
from ted_core.terminal_text import literal, printable

COLOURS = {"succeeded": "green", "failed": "red", "expired": "red", "cancelled": "yellow", "running": "cyan"}
JOB_ID_WIDTH, SHORT_ID = 32, 8
FEW_PERCENT = 0.1
SILENT_SECONDS = 10
"""A worker that is there takes a job sooner than that."""
ELEVEN_TO_THIRTEEN = range(11, 14)
WHOLE_SECONDS = 10
"""From here on fractions of a second tell nothing."""
JobCallback = Callable[[JobSnapshot], None]


def ignore_progress(_: JobSnapshot) -> None:
    """Do nothing."""


@contextmanager
def progress_display(console: Console) -> Iterator[JobCallback]:
    """Yield a function that shows a job's progress: as a bar on a terminal, as plain lines anywhere else."""
    if not console.is_terminal:
        yield _line_display(console)
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("waiting", total=1.0)
        yield lambda job: bar.update(task, description=printable(progress_line(job)), completed=_fraction(job))


def _line_display(console: Console) -> JobCallback:
    """Return a function that prints a line for every new phase, round or status."""
    last: tuple[object, ...] = ()

    def show(job: JobSnapshot) -> None:
        nonlocal last
        state = (job.status, job.progress.get("phase"), job.progress.get("round"))
        if state != last:
            console.print(literal(progress_line(job)), highlight=False)
            last = state

    return show


def progress_line(job: JobSnapshot) -> str:
    """Say in a few words what a job is doing."""
    progress = job.progress
    if job.status != "running" or not progress:
        return job.status
    prepared = progress.get("phase_fraction")
    facts = [progress["phase"] if prepared is None else f"{progress['phase']}, {prepared:.0%} of the rows prepared"]
    if progress["rounds"]:
        facts.append(f"round {progress['round']}/{progress['rounds']}")
    if progress["samples_per_second"]:
        facts.append(f"{progress['samples_per_second']:,.0f} samples/s")
    if progress["eta_seconds"] is not None:
        facts.append(f"about {duration(progress['eta_seconds'])} left")
    return ", ".join(facts)


def queue_line(queue: JsonObject) -> str:
    """Say where a queued job stands: queued (3rd, no worker answers)."""
    if queue["position"] is None:
        return "queued"
    idle = queue["unattended_seconds"]
    facts = [ordinal(queue["position"]), *(["no worker answers"] if idle and idle > SILENT_SECONDS else [])]
    return f"queued ({', '.join(facts)})"


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 1,001st."""
    ending = "th" if number % 100 in ELEVEN_TO_THIRTEEN else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _percent(fraction: float) -> str:
    """Return a share that is done; with a decimal while there is little of it, so that it is seen to grow."""
    return f"{fraction:.1%}" if 0 < fraction < FEW_PERCENT else f"{fraction:.0%}"


def _fraction(job: JobSnapshot) -> float:
    return 1.0 if job.is_terminal else float(job.progress.get("fraction", 0.0))


def job_table(jobs: Iterable[JobSnapshot], *, short_ids: bool = False) -> Table:
    """Return a table with a line for each job; of ``short_ids`` only the end is there, which commands understand."""
    table = Table(box=None)
    table.add_column("job", no_wrap=True, min_width=SHORT_ID if short_ids else JOB_ID_WIDTH)
    for heading in ("status", "kept", "created"):
        table.add_column(heading, no_wrap=True)
    for heading in ("name", "dataset"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        table.add_row(*_job_row(job, job.id[-SHORT_ID:] if short_ids else job.id))
    return table


def _job_row(job: JobSnapshot, shown_id: str) -> Iterator[RenderableType]:
    yield literal(shown_id)
    yield _status_cell(job)
    yield _kept_cell(job)
    yield literal(str(job.facts["created_at"])[:16].replace("T", " "))
    yield literal(job.name or "-")
    yield literal(job.facts["dataset"]["uri"].rsplit("/", 1)[-1])


def _kept_cell(job: JobSnapshot) -> str:
    """Return how many rows were kept; before that is known, which share is asked for."""
    kept = f"{job.result['rows_kept']:,}" if job.result else ratio_text(job)
    return f"{kept} of {rows_text(job)}"


def ratio_text(job: JobSnapshot) -> str:
    """Return the keep ratio as a percentage; ``auto`` if it is left open and has not been chosen yet."""
    choice = job.result.get("keep_ratio_choice")
    ratio = choice["keep_ratio"] if choice else job.facts["plan"]["keep_ratio"]
    return "auto" if ratio == "auto" else f"{100 * ratio:.3g}%"


def rows_text(job: JobSnapshot) -> str:
    """Return the rows of the dataset; of a job that was accepted before they were counted, once it has ended."""
    rows = job.facts["rows_in"] or job.result.get("rows_in")
    return f"{rows:,}" if rows else "rows not counted yet"


def _status_cell(job: JobSnapshot) -> Text:
    """Return the status in its colour, for a running job how much is done, and a mark if there are warnings."""
    done = f" {_percent(_fraction(job))}" if job.progress and not job.is_terminal else ""
    cell = Text(printable(job.status) + done, style=COLOURS.get(job.status, "white"))
    return cell.append(" !", style="yellow") if job.warnings else cell


def outcome_line(job: JobSnapshot) -> str:
    """Say in one line how a job has ended."""
    if job.result:
        return f"{job.id} {kept_line(job)}"
    reason = f": {printable(job.error['message'])}" if job.error else ""
    return f"{job.id} is {job.status}{reason}"


def kept_line(job: JobSnapshot) -> str:
    """Say how many rows a job that has succeeded kept, and how long it took."""
    kept, rows = job.result["rows_kept"], job.result["rows_in"]
    return f"kept {kept:,} of {rows:,} rows in {measured_duration(job.result['cost']['seconds'])}"


def duration(seconds: float) -> str:
    """Return a time to read: 42 s, 5 min 20 s, 1 h 50 min, 2 d 3 h."""
    whole = round(seconds)
    for size, name, part_size, part_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            part = whole % size // part_size
            return f"{whole // size} {name} {part} {part_name}" if part else f"{whole // size} {name}"
    return f"{whole} s"


def measured_duration(seconds: float) -> str:
    """Return the same of a time that was measured, with a fraction where there are few seconds: 0.75 s."""
    return f"{seconds:.2g} s" if seconds < WHOLE_SECONDS else duration(seconds)
