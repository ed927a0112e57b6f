"""``ted demo``: a real service, a real job on real data, and a table of what was gained."""

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ted_cli.demo_data import write_digits
from ted_cli.local.temporary import temporary_service
from ted_cli.terminal import print_text
from ted_client.client import Client, Job
from ted_client.errors import ClientError
from ted_client.progress import outcome_line, progress_display
from ted_core.python_process import computing_environment, module_command

SEEDS = (0, 1, 2, 3, 4)
PROXY = {"name": "mlp", "epochs": 40}
"""So few rows need as many: with 20 epochs a model gains from more rows simply because it takes more steps."""
PLAN = {"keep_ratio": 0.6}
MEANINGS = {"full": "all rows", "ted": "TED's rows", "random": "random rows"}


def run_demo(folder: Path, *, console: Console) -> None:
    """Go all the way from a Parquet file to a table of accuracies. Raise ClientError if a step fails."""
    train, test = write_digits(folder / "data")
    print_text(f"Data: scikit-learn's digits as PNG images in {train}", console=console)
    with temporary_service(folder / "service", roots=[folder / "data"]) as client:
        print_text(f"Service: API, sweeper, worker and broker at {client.url}", console=console)
        job = _run_job(client, train, console=console)
        manifest = client.download(job.id, folder / "manifest.parquet")
        client.download(job.id, folder / "decisions.parquet", kind="decisions")
        client.report_page(job.id, folder / "report.html")
    print_text(
        f"Training fresh models on all rows, on TED's and on as many random ones, {len(SEEDS)} seeds each …",
        console=console,
    )
    accuracies = _compare(train, test, manifest)
    console.print(_table(accuracies, job.result))
    print_text(f"Manifest: {manifest}", console=console)
    print_text(f"Reasons:  {folder / 'decisions.parquet'}", console=console)
    print_text(f"Report:   {folder / 'report.html'}", console=console)


def _run_job(client: Client, train: Path, *, console: Console) -> Job:
    dataset = {"uri": str(train), "task": "image-classification"}
    submitted = client.submit({"dataset": dataset, "proxy": PROXY, "plan": PLAN})
    print_text(
        f"Job: {submitted.id}, to keep {PLAN['keep_ratio']:.0%} of {submitted.facts['rows_in']:,} rows", console=console
    )
    with progress_display(console) as show:
        job = client.wait(submitted.id, on_progress=show).require_success()
    print_text(outcome_line(job), console=console)
    return job


def _compare(train: Path, test: Path, manifest: Path) -> Mapping[str, Sequence[float]]:
    """Return the accuracies of fresh models for each choice of rows. They are trained in a process that loads torch."""
    task = {"task": "image-classification"}
    request = {
        "train": {"uri": str(train), **task},
        "test": {"uri": str(test), **task},
        "manifest": str(manifest),
        "proxy": PROXY,
        "seeds": SEEDS,
    }
    command = module_command("ted_core.results.comparison")
    done = subprocess.run(  # noqa: S603 - our own module
        command,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env=computing_environment(),
    )
    if done.returncode:
        raise ClientError(f"The comparison failed:\n{done.stderr.strip()}")
    accuracies: dict[str, list[float]] = json.loads(done.stdout)
    return accuracies


def _table(accuracies: Mapping[str, Sequence[float]], result: Mapping[str, Any]) -> Table:
    """Return a table of the accuracy of fresh models on each choice of rows."""
    table = Table()
    for heading in ("trained on", "rows", "test accuracy", "sd"):
        table.add_column(heading, justify="left" if heading == "trained on" else "right")
    for name, values in accuracies.items():
        rows = result["rows_in"] if name == "full" else result["rows_kept"]
        spread = f"± {statistics.stdev(values):.2%}"
        table.add_row(MEANINGS[name], f"{rows:,}", f"{statistics.mean(values):.2%}", spread)
    return table
