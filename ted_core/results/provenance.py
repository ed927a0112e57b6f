"""How a manifest came about: the facts that its files carry as metadata."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _StrictModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _ExtensibleModel(BaseModel):
    # Reports hold these too: what a later version adds is no reason to refuse one.
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ShardFacts(_StrictModel):
    """One file of the dataset."""

    name: str
    rows: int
    bytes: int
    sha256: str


class DatasetFacts(_StrictModel):
    """The dataset whose rows the indices count."""

    uri: str
    format: str
    task: str
    input: str | list[str] | None = None
    target: str | list[str] | None = None
    missing: str = "refuse"
    image_size: int | None = None
    """Width and height in pixels that images were resized to, bilinearly; None for those of the first image."""
    rows: int
    shards: tuple[ShardFacts, ...]
    fingerprint: str
    fingerprint_algorithm: str = "sha256 over the shards' digests; see ted_core.datasets.fingerprint"


class CandidateFacts(_ExtensibleModel):
    """One way of selecting that was tried."""

    q: Annotated[float | None, Field(description="The exponent; null for random rows.")]
    accuracy: Annotated[
        float,
        Field(description="Of a proxy trained on this candidate's rows, estimated from rows it was not trained on."),
    ]
    behind: Annotated[
        float, Field(description="How much lower that is than the chosen one's; negative if it is higher.")
    ]
    standard_error: Annotated[float, Field(description="Of `behind`.")]


class QChoice(_ExtensibleModel):
    """The exponent that was used, and who chose it."""

    value: float | None
    """None if rows were drawn at random."""
    chosen_by: str
    candidates: tuple[CandidateFacts, ...] = ()


class ProxyFacts(_ExtensibleModel):
    """The model that judged the rows."""

    name: str
    settings: dict[str, Any]
    parameters: int | None = None
    initial_weights_sha256: str | None = None


class CostFacts(_StrictModel):
    """What the selection took, beside one training run on all rows with the same proxy."""

    rows_trained: int
    """By the loop and, if q was chosen, by its candidates."""
    rows_measured: int
    rows_trained_choosing: int = 0
    """The part of ``rows_trained`` that the choice of q took."""
    full_run_rows: int
    seconds: float
    batch_parts: int = 1
    """The parts that batches were cut into, gradients added up, after memory had run out with fewer."""

    @property
    def of_one_full_run(self) -> float:
        """Row-visits of training, relative to one full training run."""
        return self.rows_trained / self.full_run_rows if self.full_run_rows else 0.0


class Provenance(_StrictModel):
    """Everything about a selection but the selection itself."""

    dataset: DatasetFacts
    plan: dict[str, Any]
    q: QChoice
    proxy: ProxyFacts
    seed: int
    determinism: str
    cost: CostFacts
    device: str
    versions: dict[str, str]
    job_id: str | None = None
    parent: str | None = None
    """``content_sha256`` of the decisions that a re-cut manifest was derived from."""
    parent_keep_ratio: float | None = None
    """The keep ratio that those were made for; exponent and scores are still theirs."""
    created_at: datetime


class ManifestMetadata(Provenance):
    """The metadata under the ``ted`` key of both files."""

    schema_version: Literal[1] = 1
    polarity: Literal["retained"] = "retained"
    index_base: Literal[0] = 0
    rows_kept: int = Field(ge=0)
    achieved_ratio: float
    indices_sha256: str
    content_sha256: str
