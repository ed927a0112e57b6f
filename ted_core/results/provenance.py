"""How a manifest came about: the facts that its files carry as metadata."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ted_core.plan import RuleName
from ted_core.selection.workload import row_work
from ted_core.warnings import JobWarning


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


class OwnerFacts(_ExtensibleModel):
    """What one rank had of a dataset whose files were divided among them."""

    shards: Annotated[int, Field(description="How many files, behind those of the rank before it.")]
    rows: Annotated[int, Field(description="In these files.")]


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
    split: str | None = None
    exclude: list[str] | None = None
    header: bool | None = None
    quoting: bool | None = None
    colour: bool | None = None
    background: str | None = None
    rows: int
    shards: tuple[ShardFacts, ...]
    fingerprint: str
    fingerprint_algorithm: str = "sha256 over the shards' digests; see ted_core.datasets.fingerprint"


class CandidateFacts(_ExtensibleModel):
    """One way of selecting that was tried."""

    rule: Annotated[
        RuleName | None,
        Field(
            description="The score that ranked the rows, or random: drawn evenly over classes and over easy and hard "
            "rows. Null for a score in what an older version wrote."
        ),
    ] = None
    q: Annotated[float | None, Field(description="The score's exponent; null if it has none, and for random rows.")]
    accuracy: Annotated[
        float,
        Field(description="Of a proxy trained on this candidate's rows, estimated from rows it was not trained on."),
    ]
    behind: Annotated[
        float, Field(description="How much lower that is than the chosen one's; negative if it is higher.")
    ]
    standard_error: Annotated[
        float,
        Field(
            description="Of `behind`: that of the rows that were tested. How much proxies with other initial weights "
            "would differ is not in it."
        ),
    ]

    @model_validator(mode="before")
    @classmethod
    def _name_random_rows(cls, facts: Any) -> Any:
        """Before rules had names, random rows were those without an exponent."""
        return {"rule": "random"} | facts if isinstance(facts, dict) and facts.get("q") is None else facts


class QChoice(_ExtensibleModel):
    """What ranked the rows, its exponent, and who chose it."""

    rule: Annotated[
        RuleName | None,
        Field(
            description="The score that ranked the rows, or random; null for the scores of other methods and, unless "
            "random rows were chosen from candidates, in what an older version wrote."
        ),
    ] = None
    value: Annotated[
        float | None,
        Field(description="The exponent; null if the score has none, or rows were drawn at random."),
    ]
    chosen_by: Annotated[str, Field(description="`plan`, or what was measured.")]
    candidates: Annotated[
        tuple[CandidateFacts, ...], Field(description="What was tried: exponents, or the guard's two selections.")
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _name_random_rows(cls, facts: Any) -> Any:
        """Before rules had names, random rows that were chosen had no exponent."""
        if isinstance(facts, dict) and facts.get("value") is None and facts.get("candidates"):
            return {"rule": "random"} | facts
        return facts

    def is_chosen(self, candidate: CandidateFacts) -> bool:
        """Whether this candidate is what was used."""
        same_chance = (candidate.rule == "random") == (self.rule == "random")
        return candidate.q == self.value and same_chance


class RatioFacts(_ExtensibleModel):
    """What keeping a part of the rows costs."""

    keep_ratio: Annotated[float, Field(description="Fraction of the rows that is retained; 1 for all.")]
    accuracy: Annotated[
        float, Field(description="Of a proxy trained on what this keeps of one half of the rows, on the other half.")
    ]
    loss: Annotated[
        float,
        Field(
            description="Points of accuracy that this lies below a proxy trained on the whole half; more than the "
            "accuracies differ by where labels look wrong, since these hide a part of it."
        ),
    ]
    standard_error: Annotated[float, Field(description="Of `loss`, in points: that of the rows that were tested.")]
    interval: Annotated[tuple[float, float], Field(description="Of `loss`; its upper end is held to the tolerance.")]


class KeepRatioChoice(_ExtensibleModel):
    """The keep ratio that was chosen, where the plan leaves it open, and from what."""

    keep_ratio: Annotated[float, Field(description="1 if nothing is to be pruned.")]
    tolerance: Annotated[float, Field(description="Points of accuracy that pruning may cost.")]
    curve: Annotated[tuple[RatioFacts, ...], Field(description="What was measured, from all rows downwards.")]
    verdict: Annotated[str, Field(description="All of this in one sentence.")]


class ProxyFacts(_ExtensibleModel):
    """The model that judged the rows."""

    name: str
    settings: dict[str, Any]
    parameters: int | None = None
    initial_weights_sha256: str | None = None


class ProxyAccuracy(_ExtensibleModel):
    """How well the proxy, at the end of its training, predicted rows that it had not trained on."""

    out_of_sample: Annotated[
        float,
        Field(
            description="Share of the predictions that are right: of rows; if a row may have several classes, of rows "
            "times classes; for causal-lm, of the answers' tokens. Each row is predicted by the twin that has never "
            "trained on it."
        ),
    ]
    standard_error: Annotated[float, Field(description="Of `out_of_sample`.")]
    majority_class: Annotated[
        float | None,
        Field(description="The accuracy of always saying what is most frequent; null for causal-lm."),
    ] = None
    chance: Annotated[
        float | None,
        Field(description="The accuracy of guessing: 1 / classes, 1/2 if a row may have several; null for causal-lm."),
    ] = None
    base_model: Annotated[
        float | None, Field(description="For causal-lm: the accuracy of the pretrained model before any training.")
    ] = None
    performance: Annotated[float, Field(description="The mean probability that is given to what is right.")]
    reference_performance: Annotated[
        float | None,
        Field(
            description="The same of the classes' shares alone or, for causal-lm, of the pretrained model; null if an "
            "installed package's loss decides."
        ),
    ] = None
    has_learned: Annotated[
        bool | None,
        Field(
            description="Whether that is clearly better than knowing the classes' shares alone or, for causal-lm, than "
            "the pretrained model; null if there is nothing to compare it with."
        ),
    ] = None


class LabelNoise(_ExtensibleModel):
    """How many labels look wrong to models that have not seen them."""

    share: Annotated[float, Field(description="The estimated share of the usable rows whose label is wrong.")]
    low: Annotated[
        float,
        Field(
            description="Where the 95 % interval of `share` begins. It covers chance only, not the classes that the "
            "proxy itself mistakes for one another."
        ),
    ]
    high: Annotated[float, Field(description="Where it ends.")]
    rows: Annotated[int, Field(description="How many of the usable rows `share` amounts to.")]


class CostFacts(_StrictModel):
    """What the selection took, beside one training run on all rows with the same proxy."""

    rows_trained: int
    """By the loop and by candidates, if any were tried."""
    rows_measured: int
    rows_trained_choosing: int = 0
    """The part of ``rows_trained`` that candidates took: for the choice of q or of the keep ratio, or for the guard."""
    full_run_rows: int
    preparation: float = 0.0
    """What calculating a pretrained model's frozen blocks takes, once for each row, in rows trained on."""
    seconds: float
    batch_parts: int = 1
    """The parts that batches were cut into, gradients added up, after memory had run out with fewer."""

    @property
    def of_one_full_run(self) -> float:
        """Training and measuring in row-visits of training, relative to one full training run.

        What is prepared once belongs to both.
        """
        work = row_work(self.rows_trained, self.rows_measured) + self.preparation
        return work / (self.full_run_rows + self.preparation) if self.full_run_rows else 0.0


class Provenance(_StrictModel):
    """Everything about a selection but the selection itself."""

    dataset: DatasetFacts
    plan: dict[str, Any]
    q: QChoice
    keep_ratio_choice: KeepRatioChoice | None = None
    """None if the plan says it."""
    proxy: ProxyFacts
    proxy_accuracy: ProxyAccuracy | None = None
    """None if the method measures nothing out of sample."""
    label_noise: LabelNoise | None = None
    """None as well if the proxy has not learned, or if rows have not one class each."""
    owners: tuple[OwnerFacts, ...] = ()
    """If the plan's sampling is sharded: which of the dataset's shards each rank had, in their order."""
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
    warnings: tuple[JobWarning, ...] = ()
    """What was accepted, but may not be what was meant."""
    created_at: datetime


class ManifestMetadata(Provenance):
    """The metadata under the ``ted`` key of both files."""

    schema_version: Literal[1, 2] = 2
    polarity: Literal["retained"] = "retained"
    index_base: Literal[0] = 0
    rows_kept: int = Field(ge=0)
    achieved_ratio: float
    indices_sha256: str
    content_sha256: str

    @property
    def asked_ratio(self) -> float:
        """The plan's keep ratio or, where that is left open, the chosen one."""
        return self.keep_ratio_choice.keep_ratio if self.keep_ratio_choice else float(self.plan["keep_ratio"])
