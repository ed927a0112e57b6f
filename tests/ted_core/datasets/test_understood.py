"""What a dataset was taken for is bounded, however large the dataset and whatever its names hold."""

import pytest

from ted_core.datasets.findings import MOST_WARNINGS, SHOWN, Findings, collect_findings, warn
from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.inspection_messages import InspectionAnswer
from ted_core.datasets.summary import DatasetSummary
from ted_core.datasets.understood import LeftOut, understood
from ted_core.warnings import WarningCode

WIDE = {f"column {number}": "x" * 100_000 for number in range(5_000)}


def test_what_there_is_too_much_of_is_counted() -> None:
    noticed = Findings(
        passed_over={f"{n}.txt": "no .csv" for n in range(300)}, left_out={f"id{n}": "counts rows" for n in range(200)}
    )
    classes = {f"class {n}": n for n in range(1_000)}
    summary = SchemaSummary(tuple(WIDE), (1,), inputs=tuple(WIDE), classes=classes, first_row=WIDE, findings=noticed)

    found = understood(summary, file_format="csv", files=[f"{n}.csv" for n in range(10_000)])

    shown = (found.files, found.inputs, found.passed_over, found.left_out, found.classes)
    assert [len(part or ()) for part in shown] == [SHOWN] * 5
    counts = (found.file_count, found.input_count, found.passed_over_count, found.left_out_count, found.class_count)
    assert counts == (10_000, 5_000, 300, 200, 1_000)
    answer = InspectionAnswer(summary=DatasetSummary(1, (), "", understood=found))
    assert len(answer.as_line()) < 1_000_000


def test_the_label_of_a_wide_first_row_is_shown() -> None:
    summary = SchemaSummary((), (1,), first_row=WIDE | {"label": "iris"})

    row = understood(summary, file_format="csv", files=[]).first_row

    assert row is not None
    assert (len(row), row["label"]) == (SHOWN + 1, "iris")


def test_names_that_are_no_utf_8_can_be_sent() -> None:
    noticed = Findings(passed_over={"caf\udce9.txt": "no .csv"})
    summary = SchemaSummary((), (1,), inputs=("a\udcff",), findings=noticed)

    found = understood(summary, file_format="csv", files=["na\udcefve.csv"])

    assert found.passed_over == (LeftOut("caf\\udce9.txt", "no .csv"),)
    assert (found.files, found.inputs) == (("na\\udcefve.csv",), ("a\\udcff",))
    assert InspectionAnswer(summary=DatasetSummary(1, (), "", understood=found)).as_line()


def test_no_reader_can_warn_without_end() -> None:
    with collect_findings() as noticed:
        for number in range(10 * MOST_WARNINGS):
            warn(WarningCode.KEYS_NOT_UNIQUE, f"Row {number}", field="dataset.input")

    assert len(noticed.warnings) == MOST_WARNINGS


def test_a_warning_that_nobody_collects_is_given_to_python() -> None:
    with pytest.warns(UserWarning, match="keys_not_unique: Row 1"):
        warn(WarningCode.KEYS_NOT_UNIQUE, "Row 1", field="dataset.input")
