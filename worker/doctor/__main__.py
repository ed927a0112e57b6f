"""``python -m worker.doctor``: one finding a line, as JSON."""

import json
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from ted_jobs.settings import Settings
from worker.doctor import broker, database, device, folders
from worker.doctor.finding import Finding, ok, problem

CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
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
        yield from check(settings)


def _unreadable(error: ValidationError) -> Iterator[Finding]:
    """What each variable holds stays out of it: some are secrets."""
    for fault in error.errors():
        name = "TED_" + "_".join(map(str, fault["loc"])).upper()
        yield problem("settings", f"{name}: {fault['msg']}", "Correct the variable; docs/running.md lists them all.")


def main() -> None:
    """Print findings as they come."""
    for finding in examine():
        print(json.dumps(finding.as_json()), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
