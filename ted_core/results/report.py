"""The report of a job: what became of the rows, how the selection came about and what it cost. Torch-free.

This module defines the report; ``report_builder`` builds it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.plan import RuleName
from ted_core.results.provenance import KeepRatioChoice, LabelNoise, OwnerFacts, ProxyAccuracy, ProxyFacts, QChoice
from ted_core.warnings import JobWarning

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
    inputs: Annotated[tuple[str, ...], Field(description="The columns that the model saw; the first 100 of them.")] = ()
    input_count: Annotated[int, Field(description="How many columns the model saw.")] = 0
    left_out: Annotated[
        dict[str, str], Field(description="Columns that the model did not see, each with the reason; the first 100.")
    ] = {}
    left_out_count: Annotated[int, Field(description="How many columns were left out for a reason.")] = 0


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
    rows_trained_choosing: Annotated[
        int, Field(description="The part of rows_trained that the choice of q or keep_ratio or the guard took.")
    ]
    full_run_rows: Annotated[int, Field(description="rows_trained of one training run of the proxy on all rows.")]
    preparation: Annotated[
        float,
        Field(
            description="What calculating the blocks of a pretrained model that are not trained takes, once for each "
            "row, in rows trained on; 0 without train_blocks."
        ),
    ] = 0.0
    of_one_full_run: Annotated[
        float,
        Field(
            description="(rows_trained + rows_measured / 3 + preparation) / (full_run_rows + preparation): measuring a "
            "row takes about a third of training on it."
        ),
    ]
    batch_parts: Annotated[
        int,
        Field(description="Into how many parts batches were cut, their gradients added up, after memory had run out."),
    ] = 1
    seconds: PhaseSeconds


class ReportGuard(_ReportModel):
    """How TED's rows compared with random ones before one of both was returned."""

    rule: Annotated[RuleName, Field(description="The score that ranked TED's rows.")]
    accuracy: Annotated[
        float, Field(description="Of a proxy trained on TED's rows, estimated from rows it was not trained on.")
    ]
    random_accuracy: Annotated[float, Field(description="The same of random rows.")]
    difference: Annotated[float, Field(description="accuracy - random_accuracy.")]
    standard_error: Annotated[
        float,
        Field(
            description="Of `difference`: that of the rows that were tested. How much proxies with other initial "
            "weights would differ is not in it."
        ),
    ]
    interval: Annotated[
        tuple[float, float],
        Field(
            description="Of `difference` at 95 %, for these two proxies: what chance in the rows that were tested may "
            "change. Proxies with other initial weights, or trained to the end, often differ by more."
        ),
    ]
    returned: Annotated[
        Literal["ted", "random"],
        Field(description="Whose rows were returned: random ones if they were ahead by more than a standard error."),
    ]
    verdict: Annotated[str, Field(description="All of this in one sentence.")]


class ReportTurn(_ReportModel):
    """One turn of a conversation."""

    role: str
    content: Annotated[str, Field(description="Its beginning, if it is long.")]


class ReportSample(_ReportModel):
    """What a row holds, shortened; exactly one of these is there."""

    image: Annotated[
        str | None, Field(description="A small picture as a data URI: PNG or JPEG, at most 96 pixels high and wide.")
    ] = None
    text: Annotated[str | None, Field(description="A text's beginning; of two, both, a blank line between them.")] = (
        None
    )
    turns: Annotated[tuple[ReportTurn, ...] | None, Field(description="A conversation's first turns.")] = None
    record: Annotated[
        dict[str, str] | None, Field(description="A table's first inputs: column and value, as the file has it.")
    ] = None


class ReportExample(_ReportModel):
    """One row worth looking at."""

    row_index: int
    sample_key: Annotated[str | None, Field(description="The dataset's own id of the row, if it has one.")]
    label: str | None
    kept: bool
    internal_generalization: float | None
    score: float | None
    margin: Annotated[
        float | None,
        Field(
            description="Probability of the label minus that of its strongest rival, out of sample, mean over rounds."
        ),
    ] = None
    likeliest: Annotated[
        str | None, Field(description="The class that the row is taken for out of sample, if it is not its label.")
    ] = None
    sample: Annotated[
        ReportSample | None, Field(description="What the row holds; null if the job asks for a report without samples.")
    ] = None


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

    suspects: Annotated[
        tuple[ReportExample, ...],
        Field(description="Pruned or not, labels that look wrong, the most suspicious first."),
    ] = ()

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows' numbers, each once, in ascending order."""
        examples = (*self.kept, *self.well_generalized, *self.poorly_generalized, *self.suspects)
        return tuple(sorted({example.row_index for example in examples}))

    def with_samples(self, samples: Mapping[int, ReportSample]) -> "ReportExamples":
        """Return the same rows with what those of these numbers hold."""

        def shown(examples: Sequence[ReportExample]) -> tuple[ReportExample, ...]:
            return tuple(example.model_copy(update={"sample": samples.get(example.row_index)}) for example in examples)

        return ReportExamples(
            kept=shown(self.kept),
            well_generalized=shown(self.well_generalized),
            poorly_generalized=shown(self.poorly_generalized),
            suspects=shown(self.suspects),
        )


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
    margins: Annotated[
        Histogram,
        Field(description="By mean out-of-sample margin, from -1 to 1; below 0 the label is not what is likeliest."),
    ] = Histogram()
    label_noise: Annotated[
        LabelNoise | None,
        Field(
            description="How many labels look wrong; null if the method measures nothing out of sample, the proxy has "
            "not learned, or rows have not one class each."
        ),
    ] = None
    gains: Annotated[
        ReportGains | None,
        Field(
            description="For proxies that start from a language model: what it knows before any training, and after."
        ),
    ] = None
    rounds: tuple[ReportRound, ...]
    q: Annotated[QChoice, Field(description="What ranked the rows, its exponent, who chose it, and from what.")]
    guard: Annotated[
        ReportGuard | None, Field(description="TED's rows against random ones; null if the plan asks for no guard.")
    ] = None
    keep_ratio_choice: Annotated[
        KeepRatioChoice | None,
        Field(description="How keep_ratio was chosen, with the curve; null if the plan says it."),
    ] = None
    cost: ReportCost
    examples: ReportExamples
    proxy: ProxyFacts
    proxy_accuracy: Annotated[
        ProxyAccuracy | None,
        Field(description="On rows that it had not trained on; null if the method measures none."),
    ] = None
    device: str
    owners: Annotated[
        tuple[OwnerFacts, ...],
        Field(
            description="If plan.sampling is sharded: which part of the dataset each rank had, in the order of rows."
        ),
    ] = ()
    determinism: str
    seed: int
    versions: dict[str, str]
    warnings: Annotated[
        tuple[JobWarning, ...], Field(description="What was accepted, but may not be what was meant; as in the result.")
    ] = ()
