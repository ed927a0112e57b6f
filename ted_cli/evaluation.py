"""An evaluation in a process that loads torch, and its result on a terminal."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from statistics import mean, stdev
from typing import IO, Any

from rich.table import Table

from ted_client.errors import ClientError
from ted_core.python_process import computing_environment, module_command

OnRun = Callable[[Mapping[str, Any]], None]
MEANINGS = {"all": "all rows", "kept": "TED's rows", "random": "random rows"}
VERDICTS = {
    "lossless": "[green]lossless[/]: models on the retained rows lose less than {tolerance:g} points",
    "worse": "[red]worse[/]: models on the retained rows lose more than {tolerance:g} points",
    "not proven": "[yellow]not proven[/]: the interval is too wide to tell; more seeds narrow it",
}


def run_evaluation(request: Mapping[str, Any], *, on_run: OnRun = lambda _: None) -> Mapping[str, Any]:
    """Train and test what the request describes, and return the evaluation. Raise ClientError if it is refused."""
    with tempfile.TemporaryFile("w+") as errors, _process(errors) as process:
        assert process.stdin, "it is a pipe"  # noqa: S101
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        last = _last_line(process, on_run)
        status = process.wait()
        errors.seek(0)
        trouble = errors.read().strip()
    if status or last.get("kind") != "evaluation":
        raise ClientError(trouble or "The evaluation ended without a result")
    return {name: value for name, value in last.items() if name != "kind"}


def _process(errors: IO[str]) -> subprocess.Popen[str]:
    command, pipe = module_command("ted_core.evaluation"), subprocess.PIPE
    environment = computing_environment()
    return subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=errors, env=environment)  # noqa: S603 - our own


def _last_line(process: subprocess.Popen[str], on_run: OnRun) -> Mapping[str, Any]:
    """Read what it writes, tell of each run, and return the last line, which is the evaluation if all is well."""
    last: Mapping[str, Any] = {}
    for line in process.stdout or ():
        last = json.loads(line)
        if last["kind"] == "run":
            on_run(last)
    return last


def evaluation_table(evaluation: Mapping[str, Any]) -> Table:
    """Return a table of the accuracy of the models on each choice of rows."""
    table = Table()
    for heading in ("trained on", "rows", "test accuracy", "sd"):
        table.add_column(heading, justify="left" if heading == "trained on" else "right")
    for name, meaning in MEANINGS.items():
        runs = [run for run in evaluation["runs"] if run["trained_on"] == name]
        accuracies = [run["accuracy"] for run in runs]
        spread = f"± {stdev(accuracies):.2%}" if len(accuracies) > 1 else "-"
        table.add_row(meaning, f"{runs[0]['rows']:,}", f"{mean(accuracies):.2%}", spread)
    return table


def verdict_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """Say how far TED's rows are ahead of all rows and of random ones, in points, and what that proves."""
    differences = [("all rows", evaluation["to_all"]), ("random rows", evaluation["to_random"])]
    lines = [f"against {name}: {_points(difference)}" for name, difference in differences]
    return [*lines, VERDICTS[evaluation["verdict"]].format(tolerance=evaluation["tolerance"])]


def _points(difference: Mapping[str, Any]) -> str:
    if difference["low"] is None:
        return f"{difference['mean']:+.2f} points, of one pair"
    interval = f"{difference['low']:+.2f} to {difference['high']:+.2f} at {difference['confidence']:.0%}"
    return f"{difference['mean']:+.2f} points ({interval})"
