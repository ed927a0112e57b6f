"""Fuzzes every target, each in a process of its own, and goes on where one ends it. What did is kept and counted."""

import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from tests.fuzz import inputs
from tests.fuzz.targets import TARGETS

LONGEST_INPUT, SLOWEST_SECONDS, MOST_MEGABYTES = 8192, 20, 2048
SHOWN_LINES = 40


def fuzz(target: str, *, seconds: float, folder: Path) -> int:
    """Fuzz one target for so long; return how many inputs ended a process, each of which is printed with its cause."""
    corpus, findings = folder / target / "corpus", folder / target / "findings"
    for path in (corpus, findings):
        path.mkdir(parents=True, exist_ok=True)
    end, ended = time.monotonic() + seconds, 0
    while (remaining := int(end - time.monotonic())) > 0:
        command = [sys.executable, "-m", "tests.fuzz", target, str(corpus), str(inputs.FOLDER / target)]
        limits = {
            "max_total_time": remaining,
            "max_len": LONGEST_INPUT,
            "timeout": SLOWEST_SECONDS,
            "rss_limit_mb": MOST_MEGABYTES,
        }
        options = [f"-{name}={value}" for name, value in limits.items()]
        run = subprocess.run([*command, *options, f"-artifact_prefix={findings}/"], capture_output=True, check=False)
        (folder / target / "log").write_bytes(run.stderr)
        if run.returncode:
            ended += 1
            sys.stdout.write(f"--- {target}\n{_cause(run.stderr + run.stdout)}\n")
    return ended


def _cause(log: bytes) -> str:
    """The exception of Python or the signal that ended the process, with what follows."""
    lines = log.decode(errors="replace").splitlines()
    start = next((place for place, line in enumerate(lines) if line.startswith((" ===", "==", "terminate"))), 0)
    return "\n".join(lines[start : start + SHOWN_LINES])


def main() -> None:
    """Fuzz the targets that are named, or all, one after the other; exit with 1 if an input ended a process."""
    parser = ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=600, help="for each target")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS])
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="where inputs are kept")
    choice = parser.parse_args()
    counts = {
        target: fuzz(target, seconds=choice.seconds, folder=choice.folder) for target in choice.targets or TARGETS
    }
    sys.stdout.writelines(f"{target}: {count}\n" for target, count in counts.items())
    sys.exit(any(counts.values()))


if __name__ == "__main__":
    main()
