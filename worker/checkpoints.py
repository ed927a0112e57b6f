"""The runner's side of going on after an interruption: what it finds of an earlier attempt, and what it leaves."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
import torch

from ted_core.errors import CheckpointUnusable, StorageFull
from ted_core.proxies import ResolvedProxy
from ted_core.results.report import ReportRound
from ted_core.results.report_builder import RoundLog
from ted_core.storage import checkpoint
from ted_core.storage.checkpoint import Checkpoint, StateDict
from ted_core.storage.content_cache import key_of
from worker.messages import Assignment, Checkpointed, Resumed
from worker.provenance_builder import package_versions

log = structlog.get_logger()


def run_key(assignment: Assignment, proxy: ResolvedProxy, *, fingerprint: str, device: str) -> str:
    """What tells runs apart that must not go on with one another: the job, the dataset's content and that of the
    pretrained model, of which both are digests, and what runs it.

    A CPU adds up in another order where more threads, or fewer, share the work.
    """
    kind = torch.device(device).type
    made_by = {
        "versions": package_versions(proxy),
        "device": kind,
        "threads": kind == "cpu" and assignment.threads,
    }
    return key_of(
        spec=assignment.spec.model_dump(mode="json"), dataset=fingerprint, model=proxy.model_digest, made_by=made_by
    )


def first_usable_checkpoint(paths: Sequence[Path], *, run: str) -> Checkpoint | None:
    """The first that can be read and belongs to this run."""
    for path in paths:
        try:
            one = checkpoint.read(path)
        except CheckpointUnusable as error:
            log.warning("checkpoint passed over", reason=str(error))
            continue
        if one.facts["run"] == run:
            return one
        log.warning("checkpoint passed over", reason=f"{path.name} belongs to another run")
    return None


class RunCheckpointer:
    """Keeps a run's state, with what the report has to say of its rounds so far."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        run: str,
        report: Callable[[Resumed | Checkpointed], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.assignment, self.run, self.report, self.clock = assignment, run, report, clock
        self.began = self.written_at = clock()
        self.written, self.log, self.seconds_before = 0, RoundLog(), 0.0
        earlier = first_usable_checkpoint(assignment.checkpoints, run=run)
        self.saved_state: StateDict | None = earlier.state if earlier else None
        if earlier:
            self._resume(earlier)

    def _resume(self, earlier: Checkpoint) -> None:
        own = checkpoint.sub_state_dict(earlier.state, "loop")
        rounds = [ReportRound.model_validate(facts) for facts in earlier.facts["rounds"]]
        self.log, self.seconds_before = RoundLog(rounds, retained=own["retained"].numpy()), earlier.facts["seconds"]
        self.report(Resumed(round=int(own["learned"])))

    @property
    def seconds(self) -> float:
        """What all attempts have spent on pruning up to now, but for what came after a checkpoint and was lost."""
        return self.seconds_before + self.clock() - self.began

    def offer(self, state: Callable[[], StateDict]) -> None:
        """Write the state down, unless the last was written a moment ago. Where there is no room, the run goes on."""
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
