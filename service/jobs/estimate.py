"""What a job would take, for whoever asks before submitting it."""

from collections.abc import Sequence
from statistics import median
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.jobs.admission import Admission
from ted_core.datasets.spec import DatasetSpec
from ted_core.plan import PruningPlan
from ted_core.proxies.spec import Training
from ted_core.selection.workload import most_rows_trained
from ted_jobs.jobs.similar_jobs import SimilarJob


class Span(BaseModel):
    """What jobs like this one let expect."""

    model_config = ConfigDict(frozen=True)

    least: float
    typical: Annotated[float, Field(description="The median.")]
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Span | None":
        """From some values; None from none."""
        return cls(least=min(values), typical=median(values), most=max(values)) if values else None


class Estimate(BaseModel):
    """A job that would be accepted, every default written out, and what it would take. Nothing was stored."""

    model_config = ConfigDict(frozen=True)

    object: Literal["estimate"] = "estimate"
    dataset: DatasetSpec
    proxy: Training
    plan: PruningPlan
    rows_in: int
    rows_kept: Annotated[int, Field(description="Fewer, where images turn out to be undecodable.")]
    columns: list[str]
    classes: Annotated[
        int | None, Field(description="As a job on the same dataset has found; null where there was none.")
    ]
    precedents: Annotated[
        int,
        Field(
            description="How many earlier jobs of yours the rest is reckoned from: with the same method, proxy, model "
            "and task, and on the same dataset if there are any. Seconds and memory are null where there are none."
        ),
    ]
    cost_at_most: Annotated[
        float | None,
        Field(description="Rows trained, relative to one training run of the proxy on all rows; null for some rivals."),
    ]
    cost: Annotated[Span | None, Field(description="The same, as the earlier jobs let expect.")]
    seconds: Annotated[
        Span | None, Field(description="From start to end, in proportion to rows and epochs; waiting not counted.")
    ]
    peak_memory_bytes: Annotated[
        int | None,
        Field(description="Of the training process; the largest of the earlier jobs, in proportion to rows."),
    ]


def estimate(admission: Admission, earlier: Sequence[SimilarJob]) -> Estimate:
    """What the job would take, by its arithmetic and by what earlier ones like it have taken."""
    spec, dataset, proxy = admission.spec, admission.dataset, admission.proxy
    full_run = dataset.rows * proxy.training.epochs
    most = most_rows_trained(dataset.rows, spec.plan, proxy)
    return Estimate(
        dataset=spec.dataset,
        proxy=proxy.training,
        plan=spec.plan,
        rows_in=dataset.rows,
        rows_kept=spec.plan.rows_kept(dataset.rows),
        columns=list(dataset.columns),
        classes=next((one.classes for one in earlier if one.same_dataset), None),
        precedents=len(earlier),
        cost_at_most=None if most is None else most / full_run,
        cost=Span.of([one.of_one_full_run for one in earlier]),
        seconds=Span.of([one.seconds * full_run / one.full_run_rows for one in earlier if one.full_run_rows]),
        peak_memory_bytes=max(_memory(dataset.rows, earlier), default=None),
    )


def _memory(rows: int, earlier: Sequence[SimilarJob]) -> list[int]:
    """Never less than a job has taken: most of a small job's memory is that of the libraries."""
    return [round(one.peak_memory_bytes * max(1.0, rows / one.rows_in)) for one in earlier if one.peak_memory_bytes]
