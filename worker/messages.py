"""What supervisor and runner say to each other: one JSON document per line."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ted_core.datasets.sources.base import DatasetRoot
from ted_core.errors import TedError
from ted_core.selection.rounds import Round
from ted_jobs.jobs.spec import JobSpec


class _WireMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Assignment(_WireMessage):
    """The one line a runner reads: what to do and where to leave it."""

    job_id: str
    spec: JobSpec
    dataset_guard: str
    dataset_roots: tuple[DatasetRoot, ...]
    model_roots: tuple[Path, ...] = ()
    cache: Path | None = None
    """Where tokens, features and large decoded inputs are kept for later jobs."""
    cache_bytes: int = 0
    checkpoints: tuple[Path, ...] = ()
    """Where an interrupted attempt stood, the newest first."""
    checkpoint_seconds: float = 0
    folder: Path
    """An empty folder of this attempt's own."""
    device: str
    threads: int
    memory_bytes: int | None
    memory_ceiling: int | None = None
    """Bytes beyond which the kernel gives the runner no more."""
    batch_parts: int = 1
    """Into how many parts a batch is cut to fit the memory."""
    max_undecodable: float


class ProgressMessage(_WireMessage):
    """How far the attempt has come; only the newest counts."""

    kind: Literal["progress"] = "progress"
    phase: Literal["starting", "loading", "pruning", "writing"]
    round: int = 0
    rounds: int = 0
    fraction: float = 0.0
    samples_per_second: float | None = None
    eta_seconds: float | None = None


class RoundDone(_WireMessage):
    """One finished round; becomes an event of the job."""

    kind: Literal["round"] = "round"
    round: int
    rounds: int
    retained: int
    train_loss: float | None = None
    internal_generalization: float | None = None
    """Mean performance on the pruned rows of models that did not see them."""

    @classmethod
    def from_round(cls, done: Round) -> "RoundDone":
        return cls(
            round=done.number,
            rounds=done.rounds,
            retained=int(done.retained.sum()),
            train_loss=done.train_loss,
            internal_generalization=done.mean_internal_generalization,
        )


class Resumed(_WireMessage):
    """The attempt goes on where another one stood; becomes an event of the job."""

    kind: Literal["resumed"] = "resumed"
    round: int
    """The round that was the last to be trained."""


class Checkpointed(_WireMessage):
    """Where the attempt stands is written down; only the newest counts."""

    kind: Literal["checkpoint"] = "checkpoint"
    path: Path


class Staged(_WireMessage):
    """The files are written; the attempt has succeeded unless the lease is lost."""

    kind: Literal["staged"] = "staged"
    manifest: Path
    decisions: Path
    report: Path
    result: dict[str, Any]


class Failed(_WireMessage):
    """The attempt has ended without a manifest, for a reason the runner knows."""

    kind: Literal["failed"] = "failed"
    code: str
    message: str
    retryable: bool
    field: str | None = None

    @classmethod
    def from_error(cls, error: TedError) -> "Failed":
        return cls(code=error.code(), message=str(error), retryable=error.retryable, field=error.field)


RunnerMessage = ProgressMessage | RoundDone | Resumed | Checkpointed | Staged | Failed
TaggedRunnerMessage = Annotated[RunnerMessage, Field(discriminator="kind")]
message_from_json = TypeAdapter[RunnerMessage](TaggedRunnerMessage).validate_json
