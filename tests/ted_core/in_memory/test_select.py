"""``ted_core.select``: what is in memory is selected as the same data in files are, or refused with a reason."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.datasets import load_digits

import ted_core
from ted_core.datasets import DatasetSpec, load
from ted_core.errors import ManifestMismatch, MissingValues, SingleClass, TedError, UnusableLabels
from ted_core.in_memory.data import ArgumentUnclear, ArgumentUnusable
from ted_core.in_memory.select import SettingsRefused
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.manifest import read_manifest, verify
from ted_core.results.writing.files import ResultsExist
from ted_core.selection.prune import prune

DIGITS = load_digits()
X, Y = DIGITS.data[:600], DIGITS.target[:600]
PIXELS = (DIGITS.images[:600] * 15.9375).astype(np.uint8)
QUICK: dict[str, Any] = {"keep_ratio": 0.6, "proxy": {"name": "mlp", "epochs": 4}, "progress": False}
FRAME = pd.DataFrame(X, columns=[f"pixel{number}" for number in range(64)]).assign(digit=Y)


def rows(x: object, y: object = None, **settings: Any) -> list[int]:
    return ted_core.select(x, y, **(QUICK | settings)).rows.tolist()


def test_arrays_give_the_rows_that_the_same_arrays_in_a_file_give(tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", x=X, y=Y)
    spec = DatasetSpec(uri=str(tmp_path / "digits.npz"), task="tabular-classification")
    plan, proxy = PruningPlan(keep_ratio=0.6, seed=3), ProxySpec(name="mlp", epochs=4)

    *_, final = prune(load(spec, roots=[tmp_path]), plan, proxy=proxy)

    assert rows(X, Y, seed=3, device="cpu") == np.flatnonzero(final.retained).tolist()


def test_a_selection_tells_which_rows_and_why() -> None:
    selection = ted_core.select(X, Y, **QUICK)

    assert selection.rows.dtype == np.int64
    assert len(selection) == len(X[selection.rows]) == 360
    assert (np.diff(selection.rows) > 0).all()
    assert selection.weights.dtype == np.float32
    assert selection.weights.mean() == pytest.approx(1, abs=1e-3)
    kept = np.flatnonzero(selection.decisions["kept"].to_numpy(zero_copy_only=False))
    assert kept.tolist() == selection.rows.tolist()
    assert selection.report.rows_kept == 360
    assert repr(selection).startswith("Selection: 360 of 600 rows kept by mlp")


def test_a_notebook_shows_the_report() -> None:
    page = ted_core.select(X, Y, **QUICK)._repr_html_()

    assert page.startswith("<iframe")
    assert "TED report" in page
    assert 'srcdoc="&lt;!doctype html' in page.replace("DOCTYPE", "doctype")


def test_what_is_saved_is_a_manifest_like_any_other(tmp_path: Path) -> None:
    selection = ted_core.select(X, Y, **QUICK)

    folder = selection.save(tmp_path / "selection")

    names = ["decisions.parquet", "manifest.parquet", "report.html", "report.json", "suspects.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert read_manifest(folder / "manifest.parquet").row_indices.tolist() == selection.rows.tolist()
    with pytest.raises(ResultsExist):
        selection.save(folder)
    selection.save(folder, overwrite=True)


def test_a_manifest_of_arrays_does_not_pass_for_one_of_a_file(tmp_path: Path) -> None:
    ted_core.select(X, Y, **QUICK).save(tmp_path)
    np.savez(tmp_path / "digits.npz", x=X, y=Y)

    with pytest.raises(ManifestMismatch, match="data in memory"):
        verify(tmp_path / "manifest.parquet", tmp_path / "digits.npz")


def test_other_data_have_another_fingerprint() -> None:
    others = X.copy()
    others[0, 0] += 1

    one, same, other = (
        ted_core.select(x, Y, **QUICK).report.dataset.fingerprint for x in (X, np.asfortranarray(X), others)
    )

    assert one == same
    assert one != other


def test_tensors_lists_and_images_in_every_layout_give_the_same_rows() -> None:
    expected = rows(PIXELS[:, None], Y)

    assert rows(torch.from_numpy(PIXELS)[..., None], torch.from_numpy(Y)) == expected
    assert rows(PIXELS, Y.tolist(), layout="NHW") == expected
    assert rows(PIXELS[:, None] / 255, Y, pixel_range=(0, 1)) == expected


def test_frames_tables_and_datasets_give_the_same_rows() -> None:
    table = pa.Table.from_pandas(FRAME)

    expected = rows(FRAME, "digit")

    assert rows(FRAME.drop(columns="digit"), FRAME["digit"]) == expected
    assert rows(pl.from_pandas(FRAME), "digit") == expected
    assert rows(table, "digit") == expected
    assert rows(datasets.Dataset(table), "digit") == expected


def test_a_selected_part_of_a_hugging_face_dataset_is_taken_for_all_of_it() -> None:
    whole = datasets.Dataset(pa.Table.from_pandas(FRAME))

    part = whole.select(range(100, 500))

    assert rows(part, "digit") == rows(FRAME[100:500], "digit")


def test_categories_are_read_as_such_once_the_task_says_so(tmp_path: Path) -> None:
    table = pa.table({"colour": np.where(Y % 2, "red", "blue"), "size": X[:, 20], "label": Y > 4})
    pq.write_table(table, tmp_path / "table.parquet")
    spec = DatasetSpec(uri=str(tmp_path / "table.parquet"), task="tabular-classification")
    *_, final = prune(load(spec, roots=[tmp_path]), PruningPlan(keep_ratio=0.6), proxy=ProxySpec(name="mlp", epochs=4))

    selected = rows(table, task="tabular-classification", device="cpu")

    assert selected == np.flatnonzero(final.retained).tolist()


NAN = np.where(np.arange(64) == 3, np.nan, X)
MASKED = np.ma.masked_array(X, mask=X == 0)
UNUSABLE: dict[str, tuple[tuple[Any, ...], dict[str, Any], type[TedError], str]] = {
    "other lengths": ((X, Y[1:]), {}, ArgumentUnusable, r"\(600, 64\) and y of shape \(599,\)"),
    "no classes": ((X,), {}, ArgumentUnusable, "y is missing"),
    "one class": ((X, Y * 0), {}, SingleClass, "1 class"),
    "classes as numbers with decimals": ((X, Y / 2), {}, UnusableLabels, "float64"),
    "one column per class": ((X, np.eye(10)[Y]), {}, UnusableLabels, "position of each row's 1"),
    "NaN": ((NAN, Y), {}, MissingValues, "600 rows, first: 0, 1"),
    "masked values": ((MASKED, Y), {}, ArgumentUnusable, "masked"),
    "objects": ((X.astype(object), Y), {}, ArgumentUnusable, "objects"),
    "lists of several lengths": (([[1, 2], [3]], [0, 1]), {}, ArgumentUnusable, "no array of numbers"),
    "images without channels": ((PIXELS, Y), {}, ArgumentUnclear, "layout='NHW'"),
    "two axes of channels": ((PIXELS[:, None, :, :3].repeat(3, 1), Y), {}, ArgumentUnclear, "'NCHW' or layout='NHWC'"),
    "floats as pixels": ((PIXELS[:, None] / 255, Y), {}, ArgumentUnclear, r"pixel_range=\(0, 1\)"),
    "pixels out of range": (
        (PIXELS[:, None] / 255 - 0.5, Y), {"pixel_range": (0, 1)}, ArgumentUnusable, "-0.5 to 0.5, outside",
    ),
    "a layout that does not fit": ((X, Y), {"layout": "NHW"}, ArgumentUnusable, "for images"),
    "another order of the index": (
        (FRAME.drop(columns="digit"), FRAME["digit"][::-1]), {}, ArgumentUnclear, "different indexes",
    ),
    "texts or categories": ((FRAME.assign(word="a"), "digit"), {}, ArgumentUnclear, "'word' hold more than numbers"),
    "no such column": ((FRAME, "digt"), {}, TedError, "'digt' is not among"),
    "several splits": ((datasets.DatasetDict(train=datasets.Dataset(pa.table({"a": [1]}))),), {}, ArgumentUnusable,
                       "x\\['train'\\]"),
    "a percentage": ((X, Y), {"keep_ratio": 60}, SettingsRefused, "keep_ratio"),
    "an unknown setting": ((X, Y), {"sead": 1}, SettingsRefused, "sead"),
    "columns of an array": ((X, Y), {"columns": ["a"]}, SettingsRefused, "means nothing for an array"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_could_be_misread_is_refused_with_a_reason(case: str) -> None:
    arguments, settings, error, reason = UNUSABLE[case]

    with pytest.raises(error, match=reason):
        ted_core.select(*arguments, **(QUICK | settings))
