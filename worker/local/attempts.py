"""Attempts at one selection, each by a runner of its own, until one succeeds or another would not help."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ted_core.errors import OutOfMemory
from ted_jobs.errors import RunnerStalled
from ted_jobs.settings import Settings
from worker.child.process import RunnerProcess, runner_process
from worker.child.starting import start_cold
from worker.child_failure import exit_error, start_error
from worker.local.admission import AdmittedRun
from worker.local.folder import ResultsFolder
from worker.messages import Assignment, Checkpointed, Failed, ProgressMessage, RunnerMessage, Staged
from worker.stall import StallDetector, session_activity

POLL_SECONDS = 0.5
AttemptEnd = Staged | Failed
Hear = Callable[[RunnerMessage], None]


class Interrupted(Exception):
    """The user, or the system, wants the run to end now."""


@dataclass
class Attempts:
    """Runs the runner as a worker does: after an error that may pass it is started again, from its last checkpoint."""

    run: AdmittedRun
    folder: ResultsFolder
    settings: Settings
    is_stopping: Callable[[], bool]
    hear: Hear
    batch_parts: int = field(default=1, init=False)

    def outcomes(self) -> Iterator[AttemptEnd]:
        """Yield each attempt's outcome; the last one is the run's. Raise Interrupted."""
        for _ in range(self.settings.max_attempts):
            outcome = self._attempt()
            yield outcome
            if isinstance(outcome, Staged) or not outcome.retryable:
                return
            if outcome.code == OutOfMemory.code():
                self.batch_parts *= 2

    def _attempt(self) -> AttemptEnd:
        assignment = self._assignment()
        try:
            with runner_process(
                assignment,
                log=self.folder.log,
                start=start_cold,
                grace_seconds=self.settings.cancel_grace_seconds,
            ) as child:
                return _Watch(child, self).outcome()
        except OSError as error:
            return Failed.from_error(start_error(error))

    def _assignment(self) -> Assignment:
        settings, spec = self.settings, self.run.admission.spec
        return Assignment(
            job_id="",
            spec=spec,
            warnings=self.run.admission.warnings,
            dataset_guard=self.run.admission.dataset.change_token,
            dataset_roots=self.run.dataset_roots,
            model_roots=self.run.model_roots,
            cache=settings.cache,
            cache_bytes=settings.cache_bytes,
            checkpoints=self.folder.checkpoints,
            checkpoint_seconds=settings.checkpoint_seconds,
            folder=self.folder.new_attempt(),
            device=settings.device,
            devices=settings.devices,
            ranks=settings.ranks,
            threads=settings.threads,
            memory_bytes=min(settings.memory_bytes, settings.ceiling),
            memory_ceiling=settings.ceiling,
            ceiling_is_default=settings.runner_memory_ceiling is None,
            batch_parts=self.batch_parts,
            max_undecodable=settings.max_undecodable,
        )


class _Watch:
    """Hears one runner until it has ended."""

    def __init__(self, child: RunnerProcess, attempts: Attempts) -> None:
        self.child, self.attempts = child, attempts
        seconds = attempts.settings.stall_seconds
        self.stall = StallDetector(partial(session_activity, child.process.pid), seconds=seconds)
        self.reported: AttemptEnd | None = None
        self.phase = "starting"

    def outcome(self) -> AttemptEnd:
        """Return what the runner reported, or how it ended without a report. Raise Interrupted."""
        while not self.child.output_ended:
            messages = self.child.read_messages(seconds=POLL_SECONDS)
            for message in messages:
                self._hear(message)
            if self._is_stalled(messages):
                fact = f"It did nothing for {self.attempts.settings.stall_seconds:g} s while {self.phase}"
                return self.reported or Failed.from_error(RunnerStalled(fact))
        return self.reported or self._unreported()

    def _is_stalled(self, messages: Sequence[RunnerMessage]) -> bool:
        if self.attempts.is_stopping():
            raise Interrupted
        return self.stall.is_stalled(has_reported=bool(messages))

    def _hear(self, message: RunnerMessage) -> None:
        if isinstance(message, Staged | Failed):
            self.reported = message
        elif isinstance(message, Checkpointed):
            self.attempts.folder.keep_checkpoint(message.path)
        elif isinstance(message, ProgressMessage):
            self.phase = message.phase
        self.attempts.hear(message)

    def _unreported(self) -> Failed:
        with suppress(subprocess.TimeoutExpired):
            self.child.process.wait(self.attempts.settings.stall_seconds)
        if self.child.process.poll() is None:
            return Failed.from_error(RunnerStalled(f"It fell silent while {self.phase}"))
        return Failed.from_error(exit_error(self.child, phase=self.phase))
