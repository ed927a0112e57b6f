"""The rate between measured sizes of inputs, and beyond them."""

import pytest

from service.jobs.speed import _devices, _first_image, _rate
from ted_core.datasets import DatasetSummary
from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.understood import understood
from ted_jobs.db.throughputs import Throughput


def points(*sizes_and_rates: tuple[int, float], device: str = "cpu") -> list[Throughput]:
    return [Throughput(f"w{number}", device, "cnn", None, *one) for number, one in enumerate(sizes_and_rates)]


@pytest.mark.parametrize(
    ("size", "rate"),
    [(1, 100.0), (10, 100.0), (100, 10**1.5), (1000, 10.0), (4000, 2.5)],
    ids=["below all", "the smallest", "half-way", "the largest", "beyond all"],
)
def test_rates_are_interpolated_between_sizes_and_fall_in_proportion_beyond_them(size: int, rate: float) -> None:
    assert _rate(points((1000, 10.0), (10, 100.0)), size) == pytest.approx(rate)


def test_several_workers_count_with_their_mean() -> None:
    assert _rate(points((10, 100.0), (10, 400.0)), 10) == pytest.approx(200.0)


def test_texts_have_one_rate() -> None:
    assert _rate(points((0, 7.0)), 0) == pytest.approx(7.0)


def test_many_devices_are_not_all_named() -> None:
    several = [one for number in range(5) for one in points((1, 1.0), device=f"gpu {number}")]

    assert _devices(several) == "gpu 0 or gpu 1 or gpu 2 or 2 others"


@pytest.mark.parametrize(
    ("value", "size"),
    [("3x32x32 pixels", 3072), ("", None), ("a text with 3 pixels", None), ("x pixels", None), ("3x32x32", None)],
)
def test_only_what_is_said_of_an_image_tells_its_size(value: str, size: int | None) -> None:
    schema = SchemaSummary(("image", "label"), (1,), inputs=("image",), first_row={"image": value})
    summary = DatasetSummary(1, ("image", "label"), "token", understood=understood(schema, file_format="csv", files=[]))

    assert _first_image(summary) == size


def test_without_a_look_at_the_rows_no_size_is_known() -> None:
    assert _first_image(DatasetSummary(1, ("image", "label"), "token")) is None
