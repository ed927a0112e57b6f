"""Inputs as people have them that were once read as something else than their owners meant: one table of all kinds."""

import io
import json
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import ipc

from ted_core.datasets import DatasetSummary, Samples
from ted_core.datasets.budget import Budget, limited
from ted_core.errors import DatasetUnreadable, MissingValues, NothingToLearn, TedError, UnusableLabels
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TEXTS, lines, parquet

rng = np.random.default_rng(11)
Check = Callable[[Samples, DatasetSummary], bool]


@dataclass(frozen=True)
class Accepted:
    """The dataset is read as its owner meant it."""

    check: Check
    warnings: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refused:
    """The dataset is refused on sight, by these words."""

    error: type[TedError]
    says: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """An input, made in a folder, and what becomes of it."""

    kind: str
    make: Callable[[Path], Path]
    right: Accepted | Refused
    choices: dict[str, Any] = field(default_factory=dict)


def sentence(number: int) -> str:
    return f"{('a dull cold film', 'a fine warm film')[number % 2]} number {number}"


def records(path: Path, *rows: dict[str, Any]) -> Path:
    return lines(path, *map(json.dumps, rows))


def stream(path: Path, **columns: Any) -> Path:
    table = pa.table(columns)
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    return path


def encoded(pixels: np.ndarray, mode: str | None = None, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def noise(label: int, kind: str = "PNG") -> bytes:
    pixels = rng.integers(0, 120, (10, 10, 3)).astype(np.uint8)
    pixels[..., 2 * label] += 120
    return encoded(pixels, kind=kind)


def image_folder(folder: Path, **rows: int) -> Path:
    for label, (name, count) in enumerate(rows.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number:03}.png").write_bytes(noise(label % 2))
    return folder


def as_the_api_looks() -> AbstractContextManager[None]:
    """Inspections in this block look at some rows, too, however long that takes."""
    return limited(Budget(preview_seconds=60))


# --- the inputs -------------------------------------------------------------------------------------------------------


def tsv_with_open_quotes(folder: Path) -> Path:
    texts = [('"' if number % 20 == 5 else "") + sentence(number) for number in range(200)]
    return lines(folder / "quotes.tsv", "label\ttext", *(f"{row % 2}\t{text}" for row, text in enumerate(texts)))


def csv_with_an_open_quote(folder: Path) -> Path:
    texts = [('"' if number in (5, 25) else "") + sentence(number) for number in range(60)]
    return lines(folder / "quotes.csv", "label,text", *(f"{row % 2},{text}" for row, text in enumerate(texts)))


def hub_folder(folder: Path) -> Path:
    names = {"train-00000-of-00002": 60, "train-00001-of-00002": 60, "test-00000-of-00001": 40}
    for name, rows in (names | {"validation-00000-of-00001": 20}).items():
        labels = np.arange(rows) % 2
        parquet(folder / f"{name}.parquet", a=rng.normal(size=rows) + labels, label=labels)
    return folder


def train_dev_test(folder: Path) -> Path:
    for name, rows in {"train": 80, "dev": 20, "test": 30}.items():
        records(folder / f"{name}.jsonl", *({"text": sentence(row), "label": row % 2} for row in range(rows)))
    return folder


def tars_of_splits(folder: Path) -> Path:
    for name, rows in {"train-000": 30, "val-000": 20}.items():
        with tarfile.open(folder / f"{name}.tar", "w") as archive:
            for row in range(rows):
                for suffix, content in {"png": noise(row % 2), "cls": str(row % 2).encode()}.items():
                    member = tarfile.TarInfo(f"{name}{row:04}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return folder


def split_folders(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name in names:
            image_folder(folder / name, sea=10, hill=10)
        return folder

    return make


def classes_that_begin_alike(*names: str) -> Callable[[Path], Path]:
    return lambda folder: image_folder(folder, **dict.fromkeys(names, 14))


def polars_ipc(folder: Path) -> Path:
    pl.DataFrame({"a": rng.normal(size=60), "label": [0, 1] * 30}).write_ipc(folder / "polars.arrow")
    return folder / "polars.arrow"


def with_a_counter(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        labels = np.repeat([0, 1], 200)
        return parquet(folder / "data.parquet", **{"a": rng.normal(size=400), "label": labels, name: np.arange(400)})

    return make


def csv_with_an_index(folder: Path) -> Path:
    rows = (f"{row},{value:.4f},{row // 200}" for row, value in enumerate(rng.normal(size=400)))
    return lines(folder / "to_csv.csv", ",a,label", *rows)


def one_hot_lists(folder: Path) -> Path:
    classes = rng.integers(0, 5, 200)
    labels = [np.eye(5, dtype=int)[code].tolist() for code in classes]
    return parquet(folder / "onehot.parquet", x=rng.normal(size=200) + classes, label=labels)


def minus_one_beside_names(folder: Path) -> Path:
    feature = {"label": {"names": ["yes", "maybe", "no"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": feature}}).encode()}
    labels = [row % 3 if row % 25 else -1 for row in range(150)]
    table = pa.table({"text": [sentence(1)] * 150, "label": labels}).replace_schema_metadata(metadata)
    pq.write_table(table, folder / "data.parquet")
    return folder / "data.parquet"


def lone_minus_one(folder: Path) -> Path:
    labels = [row % 3 if row % 25 else -1 for row in range(150)]
    return parquet(folder / "data.parquet", text=list(map(sentence, range(150))), label=labels)


def milliseconds(folder: Path) -> Path:
    labels = rng.integers(0, 2, 400)
    times = 1_764_460_000_000 + 20_000 * labels + rng.integers(0, 5000, 400)
    return parquet(folder / "times.parquet", t_ms=times, label=labels)


def alpaca_with_history(folder: Path) -> Path:
    row = {"instruction": "and then?", "input": "", "output": "the end", "system": "speak like a poet"}
    return records(folder / "alpaca.jsonl", *[row | {"history": [["how does it begin?", "once upon a time"]]}] * 40)


def ending_with_the_user(folder: Path) -> Path:
    turns = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    return records(folder / "open.jsonl", *[{"messages": turns}] * 40)


def answers_of_weight_0(folder: Path) -> Path:
    turns = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "not to be learned", "weight": 0},
        {"role": "user", "content": "again"},
        {"role": "assistant", "content": "to be learned", "weight": 1},
    ]
    return records(folder / "weights.jsonl", *[{"messages": turns}] * 40)


def transparent_ink(folder: Path) -> Path:
    def ink(label: int) -> bytes:
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[4:12, 4 : 12 if label else 6, 3] = 255
        pixels[rng.integers(16), rng.integers(16), 3] = 255
        return encoded(pixels)

    return parquet(folder / "ink.parquet", image=[ink(row % 2) for row in range(80)], label=[0, 1] * 40)


def jfif_among_png(folder: Path) -> Path:
    image_folder(folder, a=20, b=20)
    for label, name in enumerate("ab"):
        for number in range(20):
            (folder / name / f"y{number}.jfif").write_bytes(noise(label, kind="JPEG"))
    return folder


def four_thousand_columns(folder: Path) -> Path:
    columns = {f"g{number:05}": np.zeros(40, np.float32) for number in range(4000)}
    pq.write_table(pa.table(columns | {"label": [0, 1] * 20}), folder / "wide.parquet", write_statistics=False)
    return folder / "wide.parquet"


def empty_first_part(folder: Path) -> Path:
    (folder / "part-00000.jsonl").write_text("")
    for part in (1, 2):
        rows = ({"text": sentence(row), "label": row % 2} for row in range(40))
        records(folder / f"part-0000{part}.jsonl", *rows)
    return folder


def null_in_the_first_file(folder: Path) -> Path:
    parquet(folder / "part-0.parquet", text=["a", "b"], label=[0, 1], note=pa.nulls(2))
    parquet(folder / "part-1.parquet", text=["c", "d"], label=[0, 1], note=["e", "f"])
    return folder


def header_only_first_part(folder: Path) -> Path:
    lines(folder / "part-0.csv", "a,label")
    lines(folder / "part-1.csv", "a,label", *(f"{row}.5,{row % 2}" for row in range(40)))
    return folder


def dictionary_of_views(folder: Path) -> Path:
    codes = pa.array([0, 1] * 30, pa.uint32())
    labels = pa.DictionaryArray.from_arrays(codes, pa.array(["n", "y"], pa.string_view()))
    return stream(folder / "views.arrow", a=rng.normal(size=60), label=labels)


def tools_of_mixed_types(folder: Path) -> Path:
    turns = [{"role": role, "content": role} for role in ("user", "assistant")]
    tools = ([{"name": "f", "default": 1}], [{"name": "f", "default": "one"}])
    return records(folder / "tools.jsonl", *({"messages": turns, "tools": tools[row % 2]} for row in range(40)))


def null_in_a_dictionary(folder: Path) -> Path:
    codes = pa.array(np.arange(80) % 3, pa.int32())
    labels = pa.DictionaryArray.from_arrays(codes, pa.array(["no", "yes", None]))
    return stream(folder / "factor.arrow", a=rng.normal(size=80), label=labels)


def ids_that_repeat(folder: Path) -> Path:
    ids = [f"k{row // 2}" for row in range(60)]
    return parquet(folder / "ids.parquet", id=ids, a=rng.normal(size=60), label=[0, 1] * 30)


def grey_in_front(folder: Path) -> Path:
    def coloured(row: int) -> bytes:
        pixels = rng.integers(0, 20, (12, 12, 3)).astype(np.uint8)
        pixels[..., row % 2] += 200 if row % 2 == 0 else 102
        return encoded(pixels, mode=None if row else "L")

    images = [coloured(row) for row in range(200)]
    return parquet(folder / "grey_first.parquet", image=images, label=[0, 1] * 100)


# --- what becomes of them ---------------------------------------------------------------------------------------------


def rows(count: int) -> Accepted:
    return Accepted(lambda samples, summary: samples.rows == len(samples) == summary.rows == count)


def features(count: int, *warnings: str) -> Accepted:
    return Accepted(lambda samples, _: samples.input_shape == (count,), frozenset(warnings))


def classes(*names: str) -> Accepted:
    return Accepted(lambda samples, _: samples.classes == names)


def in_order_of_classes(samples: Samples, _: DatasetSummary) -> bool:
    """Whether rows come class after class, as torchvision has them."""
    return bool((np.diff(samples.labels) >= 0).all()) and samples.classes == tuple(sorted(samples.classes))


def turns(samples: Samples, row: int = 0) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in samples.inputs.turns[row].as_py()]  # type: ignore[union-attr]


def distinct_inputs(samples: Samples) -> int:
    return len(np.unique(samples.inputs.reshape(len(samples), -1), axis=0))  # type: ignore[union-attr]


SYSTEM_AND_HISTORY = [
    ("system", "speak like a poet"),
    ("user", "how does it begin?"),
    ("assistant", "once upon a time"),
    ("user", "and then?"),
    ("assistant", "the end"),
]
SPLITS = Refused(DatasetUnreadable, ("train", "test", "split"))

CASES = {
    "tsv_open_quotes": Case("K1 quotes", tsv_with_open_quotes, rows(200), {"task": TEXTS}),
    "csv_open_quotes": Case("K1 quotes", csv_with_an_open_quote, Refused(DatasetUnreadable, ("quotation mark",)),
                            {"task": TEXTS}),
    "hub_folder": Case("K2 splits", hub_folder, SPLITS),
    "hub_folder_train": Case("K2 splits", hub_folder, rows(120), {"split": "train"}),
    "train_dev_test_jsonl": Case("K2 splits", train_dev_test, SPLITS, {"task": TEXTS}),
    "train_dev_test_dev": Case("K2 splits", train_dev_test, rows(20), {"task": TEXTS, "split": "dev"}),
    "webdataset_splits": Case("K2 splits", tars_of_splits, Refused(DatasetUnreadable, ("train", "val")),
                              {"task": IMAGES}),
    "training_testing": Case("K3 splits as classes", split_folders("Training", "Testing"),
                             Refused(DatasetUnreadable, ("Training", "Testing")), {"task": IMAGES}),
    "capital_splits": Case("K3 splits as classes", split_folders("Train", "Test"),
                           Refused(DatasetUnreadable, ("Train", "Test")), {"task": IMAGES}),
    "class_prefix_blank": Case("K4 order", classes_that_begin_alike("Pear", "Pear 2", "Apple"),
                               Accepted(in_order_of_classes), {"task": IMAGES}),
    "class_prefix_hyphen": Case("K4 order", classes_that_begin_alike("Grape", "Grape-White"),
                                Accepted(in_order_of_classes), {"task": IMAGES}),
    "polars_ipc": Case("K5 Arrow footers", polars_ipc, rows(60)),
    "index_level_0": Case("K6 counters", with_a_counter("__index_level_0__"), features(1, "columns_left_out")),
    "unnamed_0": Case("K6 counters", with_a_counter("Unnamed: 0"), features(1, "columns_left_out")),
    "glue_idx": Case("K6 counters", with_a_counter("idx"), features(1, "columns_left_out")),
    "to_csv_index": Case("K6 counters", csv_with_an_index, features(1, "columns_left_out")),
    "minus_one_named": Case("K8 missing labels", minus_one_beside_names, Refused(MissingValues, ("-1",)),
                            {"task": TEXTS}),
    "minus_one_alone": Case("K8 missing labels", lone_minus_one,
                            Accepted(lambda samples, _: len(samples.classes) == 4, frozenset({"negative_label"})),
                            {"task": TEXTS}),
    "epoch_ms": Case("K9 digits", milliseconds, Accepted(lambda samples, _: distinct_inputs(samples) > 350)),
    "alpaca_history": Case("K10 prompts", alpaca_with_history,
                           Accepted(lambda samples, _: turns(samples) == SYSTEM_AND_HISTORY), {"task": DIALOGUES}),
    "ends_with_user": Case("K11 answers", ending_with_the_user, Refused(NothingToLearn, ("row",)),
                           {"task": DIALOGUES}),
    "weight_zero": Case("K11 answers", answers_of_weight_0, rows(40), {"task": DIALOGUES}),
    "transparent_rgba": Case("K12 transparency", transparent_ink,
                             Accepted(lambda samples, _: distinct_inputs(samples) > 60), {"task": IMAGES}),
    "jfif_images": Case("K13 files passed over", jfif_among_png, rows(80), {"task": IMAGES}),
    "wide_4000": Case("K14 many columns", four_thousand_columns, features(4000)),
    "empty_first_part": Case("K15 first file", empty_first_part, rows(80), {"task": TEXTS}),
    "null_first_file": Case("K15 first file", null_in_the_first_file, rows(4), {"task": TEXTS}),
    "header_only_part": Case("K15 first file", header_only_first_part, rows(40)),
    "enum_of_string_view": Case("K16 view types", dictionary_of_views, classes("n", "y")),
    "tools_of_mixed_types": Case("K17 unread columns", tools_of_mixed_types, rows(40), {"task": DIALOGUES}),
    "null_in_dictionary": Case("K18 dictionaries", null_in_a_dictionary, Refused(MissingValues, ("26 rows",))),
    "duplicate_ids": Case("K19 keys", ids_that_repeat,
                          Accepted(lambda samples, _: samples.sample_key is None, frozenset({"keys_not_unique"}))),
    "first_image_grey": Case("K20 colour", grey_in_front,
                             Accepted(lambda samples, _: samples.input_shape == (3, 12, 12)), {"task": IMAGES}),
    "one_hot_list": Case("K7 vectors", one_hot_lists, Refused(UnusableLabels, ("0 and 1",)), {"input": ["x"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=[f"{case.kind}: {name}" for name, case in CASES.items()])
def test_an_input_is_read_as_its_owner_means_it_or_refused_on_sight(case: Case, tmp_path: Path) -> None:
    (folder := tmp_path / "data").mkdir()
    path = case.make(folder)

    if isinstance(case.right, Refused):
        with as_the_api_looks():
            refusal = files.refused_on_sight(case.right.error, path, **case.choices)

        assert all(words in str(refusal) for words in case.right.says)
    else:
        with as_the_api_looks():
            summary = files.inspected(path, **case.choices)
        samples = files.loaded(path, **case.choices)

        assert case.right.check(samples, summary)
        assert {warning.code for warning in samples.warnings} >= case.right.warnings


def test_every_kind_is_tried() -> None:
    kinds = {case.kind.split()[0] for case in CASES.values()}

    assert kinds == {f"K{number}" for number in range(1, 21)}
