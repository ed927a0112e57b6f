"""``python -m worker.doctor``: one finding a line, as JSON."""

import json
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from ted_jobs.settings import Settings
from worker.doctor import broker, database, device, folders
from worker.doctor.finding import Finding, ok, problem

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    folders.written,
    folders.read,
    database.database,
    broker.broker,
    device.device,
)


def examine() -> Iterator[Finding]:
    """Every finding on the installation that the environment describes."""
    try:
        settings = Settings()
    except ValidationError as error:
        yield from _unreadable(error)
        return
    yield ok("settings", f"home {settings.home}")
    for check in CHECKS:
        yield from _attempted(check, settings)


def _attempted(check: Check, settings: Settings) -> Iterator[Finding]:
    """The check's findings. Where it breaks off, that is one: a setting may name what this machine does not have.

    What the error says may hold a password.
    """
    try:
        yield from check(settings)
    except Exception as error:
        subject = check.__module__.rpartition(".")[2]
        fact = f"could not be examined ({type(error).__name__})"
        yield problem(subject, fact, "Compare its settings with ted_jobs/settings.py, which lists them all.")


def _unreadable(error: ValidationError) -> Iterator[Finding]:
    """What each variable holds stays out of it: some are secrets."""
    for fault in error.errors():
        name = "TED_" + "_".join(map(str, fault["loc"])).upper()
        yield problem(
            "settings", f"{name}: {fault['msg']}", "Correct the variable; ted_jobs/settings.py lists them all."
        )


def main() -> None:
    """Print findings as they come."""
    for finding in examine():
        print(json.dumps(finding.as_json()), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
