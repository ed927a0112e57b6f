"""The report of a job: what became of the rows, how the selection came about and what it cost. Torch-free.

This module defines the report; ``report_builder`` builds it.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.results.provenance import ProxyFacts, QChoice

Performance = Annotated[
    float | None,
    Field(description="Mean internal generalization: how well models classify rows that they did not train on."),
]


class _ReportModel(BaseModel):
    # What a later version adds is no reason to refuse a report; NaN is, since JSON has none.
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ReportDataset(_ReportModel):
    """The dataset that was pruned."""

    uri: str
    format: str
    task: str
    rows: int
    undecodable: Annotated[int, Field(description="Rows that could not be decoded; they are pruned.")]
    fingerprint: str


class ReportClass(_ReportModel):
    """What became of one class."""

    name: str
    before: Annotated[
        int, Field(description="Rows that could be used; a row with several classes counts in each of them.")
    ]
    after: Annotated[int, Field(description="Rows that were retained.")]
    kept_share: Annotated[float | None, Field(description="after / before; null if there were none.")]
    internal_generalization: Performance


class ReportGain(_ReportModel):
    """What training adds to the performance of a pretrained model; means over some rows."""

    rows: int
    base: Annotated[float, Field(description="Performance of the pretrained model before any training.")]
    internal_generalization: Annotated[
        float, Field(description="Performance of the twins that did not train on the row, mean over the loop's rounds.")
    ]
    gain: Annotated[float, Field(description="The second minus the first.")]


class ReportGains(_ReportModel):
    """The gain on all rows that were measured, and on those kept and those pruned; null if there are none."""

    all: ReportGain | None
    kept: ReportGain | None
    pruned: ReportGain | None


class Histogram(_ReportModel):
    """How many retained and pruned rows have values in which range; empty if nothing was measured."""

    edges: Annotated[tuple[float, ...], Field(description="Ascending, one more than there are bins.")] = ()
    kept: Annotated[tuple[int, ...], Field(description="Retained rows per bin.")] = ()
    pruned: Annotated[tuple[int, ...], Field(description="Pruned rows per bin.")] = ()
    reasons: Annotated[
        dict[str, tuple[int, ...]], Field(description="Rows per bin for each reason that the decisions name.")
    ] = {}


class ReportRound(_ReportModel):
    """The state after one round."""

    round: int
    retained: int
    returned: Annotated[int, Field(description="Rows that had been pruned and came back in this round.")]
    train_loss: float | None
    internal_generalization: Annotated[Performance, Field(description="Its mean over the rows pruned by then.")]
    internal_generalization_all: Annotated[Performance, Field(description="Its mean over all rows.")]
    rows_trained: Annotated[int, Field(description="Row-visits of training so far.")]


class PhaseSeconds(_ReportModel):
    """How long each part of the job took."""

    loading: float
    pruning: float
    writing: float

    @property
    def total(self) -> float:
        """The seconds of all phases."""
        return self.loading + self.pruning + self.writing


class ReportCost(_ReportModel):
    """What the selection took, beside one training run on all rows with the same proxy."""

    rows_trained: Annotated[int, Field(description="Rows that proxies were trained on, each visit counted.")]
    rows_measured: Annotated[int, Field(description="Rows that they were measured on, each visit counted.")]
    rows_trained_choosing: Annotated[int, Field(description="The part of rows_trained that the choice of q took.")]
    full_run_rows: Annotated[int, Field(description="rows_trained of one training run of the proxy on all rows.")]
    of_one_full_run: Annotated[float, Field(description="rows_trained / full_run_rows.")]
    batch_parts: Annotated[
        int,
        Field(description="Into how many parts batches were cut, their gradients added up, after memory had run out."),
    ] = 1
    seconds: PhaseSeconds


class ReportExample(_ReportModel):
    """One row worth looking at."""

    row_index: int
    sample_key: Annotated[str | None, Field(description="The dataset's own id of the row, if it has one.")]
    label: str | None
    kept: bool
    internal_generalization: float | None
    score: float | None


class ReportExamples(_ReportModel):
    """The most extreme rows of each kind, the most extreme first."""

    kept: Annotated[tuple[ReportExample, ...], Field(description="Retained, with the highest scores.")] = ()
    well_generalized: Annotated[
        tuple[ReportExample, ...], Field(description="Pruned, since the other rows explain them best.")
    ] = ()
    poorly_generalized: Annotated[
        tuple[ReportExample, ...],
        Field(
            description="Pruned or not, explained least by the other rows. Look here first: they may be mislabelled."
        ),
    ] = ()


class Report(_ReportModel):
    """What became of a job's rows, how the selection came about and what it cost."""

    object: Literal["report"] = "report"
    schema_version: Literal[1] = 1
    job_id: str | None
    created_at: datetime
    dataset: ReportDataset
    plan: Annotated[dict[str, Any], Field(description="The plan with every default written out.")]
    method: str
    keep_ratio: Annotated[float, Field(description="Fraction of the rows that was to be RETAINED.")]
    achieved_ratio: Annotated[float, Field(description="Fraction of the rows that was retained.")]
    rows_kept: int
    reasons: Annotated[
        dict[str, int], Field(description="For each reason that the decisions name, the rows that it was given for.")
    ]
    classes: Annotated[tuple[ReportClass, ...], Field(description="Every class, in the order of the labels.")]
    scores: Annotated[Histogram, Field(description="By score.")]
    internal_generalization: Annotated[Histogram, Field(description="By internal generalization, from 0 to 1.")]
    gains: Annotated[
        ReportGains | None,
        Field(
            description="For proxies that start from a language model: what it knows before any training, and after."
        ),
    ] = None
    rounds: tuple[ReportRound, ...]
    q: Annotated[QChoice, Field(description="The exponent that was used, who chose it, and from what.")]
    cost: ReportCost
    examples: ReportExamples
    proxy: ProxyFacts
    device: str
    determinism: str
    seed: int
    versions: dict[str, str]
