"""``python -m worker.local``: reads one request from standard input and writes the run as it stands, line by line.

Standard input then stays open as a lifeline: when it ends, so does the run, which leaves its last checkpoint behind.
"""

import signal
import sys
from threading import Event, Thread
from typing import Any

import structlog
from pydantic import ValidationError

from ted_core.errors import TedError
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings
from worker.local.admission import AdmittedRun, admitted_run
from worker.local.attempts import Attempts, Interrupted
from worker.local.folder import ResultsFolder, results_folder
from worker.local.messages import LocalJob, LocalRequest, error_facts
from worker.messages import Failed, ProgressMessage, Resumed, RoundDone, RunnerMessage, Staged, Warned

log = structlog.get_logger()


class SettingsWrong(TedError):
    """Correct these variables; ted_jobs/settings.py lists them all."""


class FolderUnusable(TedError):
    """The folder of the results cannot be used; make room and let this user write there, or choose another."""


def main() -> None:
    """Run the request on standard input."""
    request = LocalRequest.model_validate_json(sys.stdin.readline())
    configure_logging("ERROR")
    LocalRun(request, stopped_with_input()).run()


def stopped_with_input() -> Event:
    """Return an event that is set when standard input ends, or this process gets SIGINT or SIGTERM."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    Thread(target=wait, daemon=True).start()
    return stop


class LocalRun:
    """One run, whose state is written to standard output whenever it changes."""

    def __init__(self, request: LocalRequest, stop: Event) -> None:
        self.request, self.stop = request, stop
        self.job = LocalJob(id=str(request.folder))

    def run(self) -> None:
        """Carry it out. Whatever goes wrong is reported as the run's state."""
        try:
            with results_folder(self.request.folder, overwrite=self.request.overwrite) as folder:
                self._select(folder, self._admit())
        except Interrupted:
            self._report(status="interrupted")
        except TedError as error:
            self._report(status="refused", error=error_facts(error) | {"errors": _faults(error)})
        except OSError as error:
            self._report(status="refused", error=error_facts(FolderUnusable(str(error), field="folder")))

    def _admit(self) -> tuple[AdmittedRun, Settings]:
        settings = _settings()
        run = admitted_run(self.request.job, settings)
        spec = run.admission.spec.model_dump(mode="json")
        self._report(
            **{part: spec[part] for part in ("dataset", "proxy", "plan")},
            rows_in=run.admission.dataset.rows,
            warnings=[vars(warning) for warning in run.admission.warnings],
        )
        return run, settings

    def _select(self, folder: ResultsFolder, admitted: tuple[AdmittedRun, Settings]) -> None:
        run, settings = admitted
        attempts = Attempts(run, folder, settings, self.stop.is_set, self._hear)
        for number, outcome in enumerate(attempts.outcomes(), 1):
            if isinstance(outcome, Staged):
                files = folder.publish(outcome)
                self._report(status="succeeded", result=outcome.result, files=files)
                return
            self._fail(outcome, attempt=number)
        self._report(status="failed")

    def _fail(self, outcome: Failed, *, attempt: int) -> None:
        self._report(attempt=attempt, error=outcome.model_dump(include={"code", "message", "field", "retryable"}))

    def _hear(self, message: RunnerMessage) -> None:
        if isinstance(message, ProgressMessage):
            self._report(status="running", progress=message.model_dump(exclude={"kind"}))
        elif isinstance(message, RoundDone):
            self._report(rounds=[*self.job.rounds, message.model_dump(exclude={"kind"})])
        elif isinstance(message, Warned):
            self._report(warnings=[*self.job.warnings, message.model_dump(exclude={"kind"})])
        elif isinstance(message, Resumed):
            self._report(resumed_from=message.round)

    def _report(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self.job, name, value)
        print(self.job.model_dump_json(), flush=True)  # noqa: T201 - what this process is there for


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        names = ("TED_" + "_".join(map(str, fault["loc"])).upper() + f": {fault['msg']}" for fault in error.errors())
        raise SettingsWrong("; ".join(names)) from error


def _faults(error: TedError) -> list[dict[str, str]]:
    return [fault._asdict() for fault in getattr(error, "faults", ())]


if __name__ == "__main__":
    main()
