"""``python -m worker.doctor``: one finding per line, as JSON."""

import json
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from ted_jobs.settings import Settings
from worker.doctor import broker, database, device, folders, secrets
from worker.doctor.finding import Finding, ok_finding, problem_finding

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    folders.check_written_folders,
    folders.check_read_folders,
    secrets.check_secret_files,
    database.check_database,
    broker.check_broker,
    device.check_device,
)


def examine() -> Iterator[Finding]:
    """Yield the findings on the installation that the environment describes."""
    try:
        settings = Settings()
    except ValidationError as error:
        yield from _settings_problems(error)
        return
    yield ok_finding("settings", f"home {settings.home}")
    for check in CHECKS:
        yield from _run_check(check, settings)


def _run_check(check: Check, settings: Settings) -> Iterator[Finding]:
    """The check's findings. If it crashes, that is one: a setting may name something that this machine does not have.

    The error's text is left out, since it may contain a password.
    """
    try:
        yield from check(settings)
    except Exception as error:
        subject = check.__module__.rpartition(".")[2]
        fact = f"could not be examined ({type(error).__name__})"
        yield problem_finding(subject, fact, "Compare its settings with ted_jobs/settings.py, which lists them all.")


def _settings_problems(error: ValidationError) -> Iterator[Finding]:
    """One finding for each variable; without its value, which may be secret."""
    for fault in error.errors():
        name = "TED_" + "_".join(map(str, fault["loc"])).upper()
        yield problem_finding(
            "settings", f"{name}: {fault['msg']}", "Correct the variable; ted_jobs/settings.py lists them all."
        )


def main() -> None:
    """Print the findings as they come."""
    for finding in examine():
        print(json.dumps(finding.as_json()), flush=True)  # noqa: T201 - the output of the command


if __name__ == "__main__":
    main()
