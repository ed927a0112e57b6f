"""``ted demo``: a real service, a real job on real data, and a table of what was gained."""

from pathlib import Path

from rich.console import Console

from ted_cli.demo_data import write_digits
from ted_cli.evaluation import evaluation_table, run_evaluation, verdict_lines
from ted_cli.local.temporary import temporary_service
from ted_cli.terminal import print_text
from ted_client.client import Client, Job
from ted_client.progress import outcome_line, progress_display

SEEDS = 5
PROXY = {"name": "mlp", "epochs": 40}
"""So few rows need as many: with 20 epochs a model gains from more rows simply because it takes more steps."""
PLAN = {"keep_ratio": 0.6}


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
        f"Training fresh models on all rows, on TED's and on as many random ones, {SEEDS} seeds each …",
        console=console,
    )
    request = {"manifest": str(manifest), "train": str(train), "test": str(test), "seeds": SEEDS}
    evaluation = run_evaluation(request)
    console.print(evaluation_table(evaluation))
    console.print(*verdict_lines(evaluation), sep="\n", highlight=False)
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
