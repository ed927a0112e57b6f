"""The messages between supervisor and runner: one JSON document per line."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ted_core.errors import TedError
from ted_core.selection.rounds import Round
from ted_core.storage.file_store import StorageRoot
from ted_core.warnings import JobWarning
from ted_jobs.jobs.spec import JobSpec


class _WireMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Assignment(_WireMessage):
    """The only line that a runner reads: what to do, and where to put the results."""

    job_id: str
    spec: JobSpec
    warnings: tuple[JobWarning, ...] = ()
    """Those that the submission has found."""
    dataset_guard: str
    dataset_roots: tuple[StorageRoot, ...]
    model_roots: tuple[Path, ...] = ()
    cache: Path | None = None
    """The folder in which tokens, features and large decoded inputs are kept for later jobs."""
    cache_bytes: int = 0
    checkpoints: tuple[Path, ...] = ()
    """The checkpoints of interrupted attempts, the newest first."""
    checkpoint_seconds: float = 0
    folder: Path
    """This attempt's own, empty folder."""
    device: str
    devices: tuple[str, ...] = ()
    """One for each rank; ``auto`` for all CUDA devices, none for ranks that all train on ``device``."""
    ranks: int = 1
    """On each host, if ``devices`` does not say how many."""
    nodes: int = 1
    """How many hosts work on the job."""
    rendezvous: str = ""
    """Where they meet, as host:port."""
    seat_seconds: float = 60
    """How long the others may take to be there."""
    threads: int
    """Of all ranks, as is the memory below."""
    memory_bytes: int | None
    memory_ceiling: int | None = None
    """The most bytes that the runner may take beyond those it has when idle."""
    ceiling_is_default: bool = False
    """Whether nobody has set it. Then the kernel enforces it only where there is no accelerator, whose driver maps more
    than it uses, and not for the stacks of threads."""
    batch_parts: int = 1
    """The number of parts into which a batch is split to fit into memory."""
    max_undecodable: float


class ProgressMessage(_WireMessage):
    """The attempt's progress; only the newest counts."""

    kind: Literal["progress"] = "progress"
    phase: Literal["starting", "loading", "pruning", "writing"]
    round: int = 0
    rounds: int = 0
    fraction: float = 0.0
    phase_fraction: float | None = None
    """Of the rows that a pretrained model goes over before the first round."""
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
    """Mean performance on the pruned rows, each predicted by a model that was not trained on it."""

    @classmethod
    def from_round(cls, done: Round) -> "RoundDone":
        """Return the message about a finished round."""
        return cls(
            round=done.number,
            rounds=done.rounds,
            retained=int(done.retained.sum()),
            train_loss=done.train_loss,
            internal_generalization=done.mean_internal_generalization,
        )


class Resumed(_WireMessage):
    """The attempt resumes from an earlier one's checkpoint; becomes an event of the job."""

    kind: Literal["resumed"] = "resumed"
    round: int
    """The last round that had been trained."""


class Warned(_WireMessage):
    """Something that the submission could not see; becomes an event of the job."""

    kind: Literal["warning"] = "warning"
    code: str
    field: str | None
    message: str


class Checkpointed(_WireMessage):
    """A checkpoint has been written; only the newest counts."""

    kind: Literal["checkpoint"] = "checkpoint"
    path: Path


class Speed(_WireMessage):
    """How fast the attempt has trained."""

    device: str
    """In words."""
    input_size: int
    """How many numbers an input is; 0 for texts and conversations."""
    rows_per_second: float


class Staged(_WireMessage):
    """The results are written; the attempt has succeeded unless the lease is lost."""

    kind: Literal["staged"] = "staged"
    manifest: Path
    decisions: Path
    suspects: Path
    report: Path
    result: dict[str, Any]
    speed: Speed | None = None
    """None if it says nothing about other jobs."""


class Failed(_WireMessage):
    """The attempt has ended without a manifest, for a reason that the runner knows."""

    kind: Literal["failed"] = "failed"
    code: str
    message: str
    retryable: bool
    field: str | None = None

    @classmethod
    def from_error(cls, error: TedError) -> "Failed":
        """Return the message about an error."""
        return cls(code=error.code(), message=str(error), retryable=error.retryable, field=error.field)


RunnerMessage = ProgressMessage | RoundDone | Resumed | Warned | Checkpointed | Staged | Failed
TaggedRunnerMessage = Annotated[RunnerMessage, Field(discriminator="kind")]
message_from_json = TypeAdapter[RunnerMessage](TaggedRunnerMessage).validate_json
