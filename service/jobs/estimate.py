"""What a job would take, before it is submitted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.jobs.speed import measured_time
from ted_core.datasets import DatasetSummary
from ted_core.datasets.spec import DatasetSpec
from ted_core.datasets.understood import Understood
from ted_core.memory_plan import IDLE_BYTES, MemoryPlan
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.spec import Training
from ted_core.selection.workload import full_run_work, most_work
from ted_core.warnings import JobWarning
from ted_jobs.db.throughputs import Throughput
from ted_jobs.jobs.admission import Admission
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
    rows_in: Annotated[
        int | None,
        Field(description="Null, like all that depends on it, if counting them would have taken too long."),
    ]
    rows_kept: Annotated[
        int | None, Field(description="Fewer, if images turn out to be undecodable; null if not known.")
    ]
    columns: list[str]
    classes: Annotated[
        int | None, Field(description="As counted, or as a job on the same dataset has found; null without either.")
    ]
    precedents: Annotated[
        int,
        Field(
            description="How many earlier jobs of yours the rest is estimated from: with the same method, proxy, "
            "model, epochs, task, target and input, and on the same dataset if there are any."
        ),
    ]
    cost_at_most: Annotated[
        float | None,
        Field(
            description="Rows trained, and a third of the rows measured, relative to one training run of the proxy on "
            "all rows; null for some rivals."
        ),
    ]
    cost: Annotated[
        Span | None, Field(description="The same, as the earlier jobs let expect; never more than `cost_at_most`.")
    ]
    seconds: Annotated[
        Span | None,
        Field(
            description="Waiting not counted: of the earlier jobs from start to end, in proportion to rows and "
            "training; without any, of training alone, as fast as workers have measured it."
        ),
    ]
    based_on: Annotated[
        Literal["precedents", "throughput"] | None,
        Field(description="What the seconds are estimated from: earlier jobs, or the measured speed of the workers."),
    ] = None
    device: Annotated[
        str | None, Field(description="What the jobs or measurements behind the seconds ran on; null if unknown.")
    ] = None
    seconds_note: Annotated[
        str | None, Field(description="Why the seconds are null, or what they assume; null if there is nothing to say.")
    ] = None
    peak_memory_bytes: Annotated[
        int | None,
        Field(
            description="Of the training process, estimated: what model and batches need at least by their shapes, or "
            "the largest of the earlier jobs in proportion to rows, whichever is more; null if neither is known."
        ),
    ]
    warnings: Annotated[
        tuple[JobWarning, ...],
        Field(description="What would be accepted, but may not be what was meant; with `strict`, a refusal instead."),
    ] = ()
    understood: Annotated[
        Understood | None, Field(description="What the dataset was taken for: files, columns, classes, first row.")
    ] = None


def estimate(
    admission: Admission, earlier: Sequence[SimilarJob], throughputs: Callable[[], Sequence[Throughput]] = tuple
) -> Estimate:
    """Return what the job would take, by its arithmetic and by what earlier ones like it have taken.

    ``throughputs`` are what workers have measured of the job's proxy; they are looked up if no earlier job is like it.
    """
    spec = admission.spec
    dataset = admission.dataset
    rows = dataset.rows
    most = None if rows is None else _most_cost(rows, spec.plan, admission.proxy)
    return Estimate(
        dataset=spec.dataset,
        proxy=admission.proxy.training,
        plan=spec.plan,
        rows_in=rows,
        rows_kept=None if rows is None or spec.plan.keep_ratio == "auto" else spec.plan.rows_kept(rows),
        columns=list(dataset.columns),
        classes=_classes(dataset, earlier),
        precedents=len(earlier),
        cost_at_most=most,
        cost=Span.of([_cost(job, admission.proxy, most) for job in earlier]),
        peak_memory_bytes=None if rows is None else _peak_memory(admission.memory, rows, earlier),
        warnings=admission.warnings,
        understood=_understood(admission),
        **_time(admission, earlier, most, throughputs),
    )


def _understood(admission: Admission) -> Understood | None:
    """What the dataset was taken for, without its first row if only the worker may see what rows hold."""
    understood = admission.dataset.understood
    if understood is None or admission.spec.report_samples:
        return understood
    return replace(understood, first_row=None)


def _classes(dataset: DatasetSummary, earlier: Sequence[SimilarJob]) -> int | None:
    counted = dataset.understood.class_count if dataset.understood else None
    return next((job.classes for job in earlier if job.same_dataset), None) if counted is None else counted


def _most_cost(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> float | None:
    most = most_work(rows, plan, proxy)
    return None if most is None else most / full_run_work(rows, proxy)


def _more_training(job: SimilarJob, proxy: ResolvedProxy, most: float | None) -> float:
    """Return how many times as much the job can cost as an earlier one that kept another share of its rows."""
    planned = _most_cost(job.rows_in, job.plan, proxy)
    return most / planned if most and planned else 1.0


def _cost(job: SimilarJob, proxy: ResolvedProxy, most: float | None) -> float:
    """Return the cost to expect by an earlier job.

    What is held out varies by chance, so that one may have cost a little more than it could by its plan.
    """
    cost = job.of_one_full_run * _more_training(job, proxy, most)
    return cost if most is None else min(cost, most)


def _time(
    admission: Admission,
    earlier: Sequence[SimilarJob],
    most: float | None,
    throughputs: Callable[[], Sequence[Throughput]],
) -> dict[str, Any]:
    """The fields about time: by earlier jobs if there are any, else by the speed of the workers."""
    rows = admission.dataset.rows
    if rows is not None and earlier:
        span = Span.of([_seconds(job, rows, _more_training(job, admission.proxy, most)) for job in earlier])
        return {"seconds": span, "based_on": "precedents", "device": _device(earlier)}
    time = measured_time(admission, throughputs())
    if time.seconds is None:
        return {"seconds": None, "seconds_note": time.note}
    least, typical, longest = time.seconds
    span = Span(least=least, typical=typical, most=longest)
    return {"seconds": span, "based_on": "throughput", "device": time.device, "seconds_note": time.note}


def _seconds(job: SimilarJob, rows: int, more_training: float) -> float:
    """Return the seconds to expect by an earlier job: training in proportion to its cost, all else to its rows."""
    elsewhere = job.seconds - job.pruning_seconds
    return (job.pruning_seconds * more_training + elsewhere) * rows / job.rows_in


def _device(earlier: Sequence[SimilarJob]) -> str | None:
    """The device of the newest earlier job that knows it."""
    return next((job.device for job in earlier if job.device), None)


def _peak_memory(planned: MemoryPlan | None, rows: int, earlier: Sequence[SimilarJob]) -> int | None:
    """Return the most bytes that the plan, with the libraries, or an earlier job lets expect; None without either."""
    in_plan = [IDLE_BYTES + planned.peak] if planned else []
    return max([*in_plan, *_memory(rows, earlier)], default=None)


def _memory(rows: int, earlier: Sequence[SimilarJob]) -> list[int]:
    """Return the bytes to expect by each earlier job.

    Never less than it has taken: most of a small job's memory is that of the libraries.
    """
    return [round(job.peak_memory_bytes * max(1.0, rows / job.rows_in)) for job in earlier if job.peak_memory_bytes]
