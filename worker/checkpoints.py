"""The runner's checkpoints: which one of an earlier attempt it resumes from, and which ones it writes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
import torch

from ted_core.errors import CheckpointUnusable, StorageFull
from ted_core.proxies import ResolvedProxy
from ted_core.results.report import ReportRound
from ted_core.results.report_builder import RoundLog
from ted_core.results.writing.provenance_builder import package_versions
from ted_core.storage import checkpoint
from ted_core.storage.checkpoint import Checkpoint, StateDict
from ted_core.storage.content_cache import key_of
from worker.messages import Assignment, Checkpointed, Resumed

log = structlog.get_logger()

STATE_FORMAT = 7
"""The version of what a state holds and how a run continues from it. Raise it with every change that would lay a state
out differently, or let the rest of a run go another way, such as other random streams."""


def run_key(assignment: Assignment, proxy: ResolvedProxy, *, fingerprint: str, device: str, ranks: int = 1) -> str:
    """Return a digest that two runs share only if one may resume the other.

    It covers the job, the dataset's content and that of the pretrained model, both given as digests, the format of the
    state, and what runs it: with another number of threads a CPU adds up in another order, and so do ranks.
    """
    kind = torch.device(device).type
    runtime = {
        "state_format": STATE_FORMAT,
        "versions": package_versions(proxy),
        "device": kind,
        "threads": kind == "cpu" and assignment.threads,
        "ranks": [ranks, assignment.nodes],
    }
    return key_of(
        spec=assignment.spec.model_dump(mode="json"), dataset=fingerprint, model=proxy.model_digest, made_by=runtime
    )


def first_usable_checkpoint(paths: Sequence[Path], *, run: str) -> Checkpoint | None:
    """Return the first checkpoint that can be read and belongs to this run; None if there is none."""
    for path in paths:
        try:
            candidate = checkpoint.read(path)
        except CheckpointUnusable as error:
            log.warning("checkpoint passed over", reason=str(error))
            continue
        if candidate.facts["run"] == run:
            return candidate
        log.warning("checkpoint passed over", reason=f"{path.name} belongs to another run")
    return None


class RunCheckpointer:
    """Writes a run's checkpoints: its state, and what the report needs of the rounds so far."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        run: str,
        report: Callable[[Resumed | Checkpointed], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.assignment = assignment
        self.run = run
        self.report = report
        self.clock = clock
        self.began = self.written_at = clock()
        self.written = 0
        self.log = RoundLog()
        self.seconds_before = 0.0
        earlier = first_usable_checkpoint(assignment.checkpoints, run=run)
        self.saved_state: StateDict | None = earlier.state if earlier else None
        if earlier:
            self._resume(earlier)

    def _resume(self, earlier: Checkpoint) -> None:
        loop = checkpoint.sub_state_dict(earlier.state, "loop")
        rounds = [ReportRound.model_validate(facts) for facts in earlier.facts["rounds"]]
        self.log = RoundLog(rounds, retained=loop["retained"].numpy())
        self.seconds_before = earlier.facts["seconds"]
        self.report(Resumed(round=int(loop["last_trained"])))

    @property
    def seconds(self) -> float:
        """Return what all attempts have spent on pruning so far, without what was lost after a checkpoint."""
        return self.seconds_before + self.clock() - self.began

    def offer(self, state: Callable[[], StateDict]) -> None:
        """Write the state to disk, unless that was done a moment ago. If the disk is full, the run goes on without."""
        if self.clock() - self.written_at < self.assignment.checkpoint_seconds:
            return
        self.written += 1
        path = self.assignment.folder / f"{self.written}.safetensors"
        rounds = [facts.model_dump() for facts in self.log.rounds]
        try:
            checkpoint.write(path, state(), run=self.run, rounds=rounds, seconds=self.seconds)
        except StorageFull as error:
            log.warning("checkpoint not written", reason=str(error))
            path.unlink(missing_ok=True)
        else:
            self.report(Checkpointed(path=path))
            self.written_at = self.clock()
