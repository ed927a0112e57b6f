"""Checks the files that hold secrets: whether others may read them. If all is well, there is no finding."""

from collections.abc import Iterator

from ted_jobs.secret_files import exposed_files
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, warning_finding


def check_secret_files(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each file with secrets that other users of this machine may open."""
    for path in exposed_files(settings):
        mode = path.stat().st_mode & 0o777
        yield warning_finding(
            "secrets", f"{path} has mode {mode:04o}", "Run `ted migrate`, or: chmod 600, as its owner."
        )
