"""How long a job would take that no earlier job is like, by its arithmetic and the measured speed of the workers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, prod
from statistics import fmean, median

from ted_core.datasets import DatasetSummary
from ted_core.proxies.model_size import model_shape
from ted_core.selection import feasibility
from ted_core.selection.workload import most_work, relative_row_work
from ted_jobs.db.throughputs import Throughput
from ted_jobs.jobs.admission import Admission

UNCERTAINTY = 2.0
"""How many times as long, or as short, a job may take: machines are busy, and data must be read."""
ASSUMED_SHAPE = (3, 32, 32)
"""Of images of which none was looked at."""
MOST_DEVICES = 3
NOT_COUNTED = "The rows are not counted yet."
NOT_PLANNED = "How much this method trains is not planned; its seconds are known once a job like it has run."
NOTHING_TRAINED = "Nothing is trained, so the job takes as long as reading the data."
VECTORS_NOT_MEASURED = (
    "How long the pretrained model takes to make vectors is not measured; "
    "the seconds are known once a job like it has run."
)
NOT_MEASURED = "No worker has measured this proxy yet; a worker does when it starts or has run a job with it."
ASSUMED = "For images of 32x32 pixels, since none was looked at; set dataset.image_size to have their size known."

ONE_NUMBER = "For one number in each input column; lists, and categories of many values, take longer."


@dataclass(frozen=True)
class MeasuredTime:
    """Seconds by measured throughput, or why there are none."""

    seconds: tuple[float, float, float] | None = None
    """At least, typically, at most."""
    device: str | None = None
    note: str | None = None


def measured_time(admission: Admission, measured: Sequence[Throughput]) -> MeasuredTime:
    """Return the seconds that the job's training would take on the workers that have measured its proxy."""
    rows = admission.dataset.rows
    if rows is None:
        return MeasuredTime(note=NOT_COUNTED)
    work = most_work(rows, admission.spec.plan, admission.proxy)
    if not work:
        return MeasuredTime(note=NOT_PLANNED if work is None else NOTHING_TRAINED)
    size, note = _input_size(admission)
    if size is None or not measured:
        return MeasuredTime(note=note if size is None else NOT_MEASURED)
    work *= relative_row_work(admission.proxy)  # of what workers measure, where all blocks are trained
    seconds = sorted(work / rate for rate in _rates(measured, size).values())
    least, most = seconds[0] / UNCERTAINTY, seconds[-1] * UNCERTAINTY
    return MeasuredTime((least, median(seconds), most), device=_devices(measured), note=note)


def _input_size(admission: Admission) -> tuple[int | None, str | None]:
    """How many numbers an input is, 0 for texts, and what to say about it; None if they are vectors yet to be made."""
    kind = feasibility.KINDS[admission.spec.dataset.base_task]
    if admission.proxy.family.features is not None and kind != "vector":
        return None, VECTORS_NOT_MEASURED
    if admission.proxy.is_fine_tuned:
        return 0, None
    shape = model_shape(admission.proxy, admission.dataset.input_shape, kind=kind)
    if shape is None:
        return UNKNOWN_SIZES[kind](admission.dataset) if kind in UNKNOWN_SIZES else (0, None)
    if admission.spec.dataset.has_encoded_images:  # headers show no more than that there is a channel
        return prod(shape[1:]) * ASSUMED_SHAPE[0], None
    return prod(shape), None


def _pixels(dataset: DatasetSummary) -> tuple[int, str | None]:
    """Return how many numbers an image is, and what that assumes."""
    seen = _first_image(dataset)
    return (seen, None) if seen else (prod(ASSUMED_SHAPE), ASSUMED)


def _columns(dataset: DatasetSummary) -> tuple[int, str | None]:
    """Return how many numbers a row of a table is, and what that assumes."""
    understood = dataset.understood
    return max(understood.input_count if understood else len(dataset.columns), 1), ONE_NUMBER


UNKNOWN_SIZES = {"image": _pixels, "vector": _columns}
"""What to say of inputs whose shape no header shows."""


def _first_image(dataset: DatasetSummary) -> int | None:
    """Return how many numbers the first image is, such as 3072 for "3x32x32 pixels"; None if it was not looked at.

    All others get its size.
    """
    understood = dataset.understood
    if understood is None or not understood.first_row or not understood.inputs:
        return None
    sizes, _, unit = understood.first_row.get(understood.inputs[0], "").partition(" ")
    sides = sizes.split("x")
    return prod(map(int, sides)) if unit == "pixels" and all(side.isdecimal() for side in sides) else None


def _rates(measured: Sequence[Throughput], size: int) -> Mapping[str, float]:
    """Return the rows per second of each device on inputs of this size."""
    devices = dict.fromkeys(one.device for one in measured)
    return {device: _rate([one for one in measured if one.device == device], size) for device in devices}


def _rate(measured: Sequence[Throughput], size: int) -> float:
    """Return the rate between the two sizes next to this one, or at the smallest; beyond the largest, in proportion."""
    points = sorted(_points(measured))
    sizes = [point for point, _ in points]
    if size <= sizes[0]:
        return points[0][1]
    if size >= sizes[-1]:
        return points[-1][1] * sizes[-1] / size if sizes[-1] else points[-1][1]
    above = next(index for index, point in enumerate(sizes) if point >= size)
    (low, slow), (high, fast) = points[above - 1], points[above]
    share = log(size / max(low, 1)) / log(high / max(low, 1))
    return exp((1 - share) * log(slow) + share * log(fast))


def _points(measured: Sequence[Throughput]) -> Iterator[tuple[int, float]]:
    """Yield each input size with the mean of what workers have measured there."""
    for size in {one.input_size for one in measured}:
        yield size, exp(fmean(log(one.rows_per_second) for one in measured if one.input_size == size))


def _devices(measured: Sequence[Throughput]) -> str:
    names = list(dict.fromkeys(one.device for one in measured))
    others = len(names) - MOST_DEVICES
    return " or ".join(names[:MOST_DEVICES]) + (f" or {others} others" if others > 0 else "")
