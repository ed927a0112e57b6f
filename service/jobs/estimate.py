"""What a job would take, before it is submitted."""

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
    """What is to be expected from earlier jobs like this one."""

    model_config = ConfigDict(frozen=True)

    least: float
    typical: Annotated[float, Field(description="The median.")]
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Span | None":
        """Return the span of the values; None if there are none."""
        return cls(least=min(values), typical=median(values), most=max(values)) if values else None


class Estimate(BaseModel):
    """A job that would be accepted, every default written out, and what it would take. Nothing was stored."""

    model_config = ConfigDict(frozen=True)

    object: Literal["estimate"] = "estimate"
    dataset: DatasetSpec
    proxy: Training
    plan: PruningPlan
    rows_in: int
    rows_kept: Annotated[int, Field(description="Fewer, if images turn out to be undecodable.")]
    columns: list[str]
    classes: Annotated[int | None, Field(description="As a job on the same dataset has found; null if there was none.")]
    precedents: Annotated[
        int,
        Field(
            description="How many earlier jobs of yours the rest is estimated from: with the same method, proxy, model "
            "and task, and on the same dataset if there are any. Seconds and memory are null if there are none."
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
    """Return what the job would take, by its arithmetic and by what earlier ones like it have taken."""
    spec = admission.spec
    dataset = admission.dataset
    training = admission.proxy.training
    full_run = dataset.rows * training.epochs
    most = most_rows_trained(dataset.rows, spec.plan, admission.proxy)
    return Estimate(
        dataset=spec.dataset,
        proxy=training,
        plan=spec.plan,
        rows_in=dataset.rows,
        rows_kept=spec.plan.rows_kept(dataset.rows),
        columns=list(dataset.columns),
        classes=next((job.classes for job in earlier if job.same_dataset), None),
        precedents=len(earlier),
        cost_at_most=None if most is None else most / full_run,
        cost=Span.of([job.of_one_full_run for job in earlier]),
        seconds=Span.of([job.seconds * full_run / job.full_run_rows for job in earlier if job.full_run_rows]),
        peak_memory_bytes=max(_memory(dataset.rows, earlier), default=None),
    )


def _memory(rows: int, earlier: Sequence[SimilarJob]) -> list[int]:
    """Return the bytes to expect by each earlier job.

    Never less than it has taken: most of a small job's memory is that of the libraries.
    """
    return [round(job.peak_memory_bytes * max(1.0, rows / job.rows_in)) for job in earlier if job.peak_memory_bytes]
