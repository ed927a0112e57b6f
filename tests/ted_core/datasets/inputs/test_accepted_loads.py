"""What an inspection accepts can be loaded: over schemas, values, tasks, settings and formats, nothing but documented
errors, and after acceptance only those that take all rows to know.

A few examples here; for ten minutes of others: ``TED_PROPERTY_SECONDS=600 pytest -m slow`` and this file's name.
"""

import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from pyarrow import ipc
from pydantic import ValidationError

from ted_core.datasets import DatasetSpec, DatasetSummary, Samples, inspect, load
from ted_core.datasets.budget import Budget, limited
from ted_core.datasets.columns import preview
from ted_core.datasets.inspection_messages import InspectionAnswer
from ted_core.errors import MissingValues, NothingToLearn, TedError, UndecodableImages, UnusableInputs
from tests.ted_core.datasets.files import image

EXAMPLES = 100
SECONDS = float(os.environ.get("TED_PROPERTY_SECONDS", "600"))
HEAD = 8
"""Rows that an inspection looks at here, so that there are more of them."""
OF_ALL_ROWS = (MissingValues, NothingToLearn, UndecodableImages, UnusableInputs)
"""What may still be wrong with rows behind the first ones."""
ROWS = st.integers(2, HEAD) | st.integers(2, 3 * HEAD)
TASKS = ("tabular-classification", "text-classification", "image-classification", "causal-lm")
NAMES = (
    *("text", "sentence", "label", "image", "x", "id", "uid", "sample_key", "__key__", "idx", "Unnamed: 0", ""),
    *("__index_level_0__", "a.b", "é", "a b", "messages", "conversations", "prompt", "response", "completion"),
    *("instruction", "input", "output", "system", "history", "tools", "context", "chosen", "label_1", "weight"),
)


# --- columns ----------------------------------------------------------------------------------------------------------


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
FEW = st.sampled_from(["a", "b", "", "10", "2", " a", "NA"])
FLOATS = st.floats(width=32) | st.floats()
IMAGES = st.sampled_from(
    [
        *(image(value, size=size, mode=mode) for value, size in ((1, (8, 8)), (200, (5, 9))) for mode in ("RGB", "L")),
        image(7, size=(8, 8), mode="RGBA"),
        image(9, size=(8, 8), kind="JPEG"),
    ]
)
ENCODED = IMAGES | st.binary(max_size=4)
ROLES = st.sampled_from(["user", "assistant", "assistant", "system", "human", "gpt", "tool", "developer", "narrator"])
TURNS = st.fixed_dictionaries({"role": ROLES, "content": TEXTS | st.none()})
WEIGHTED = st.fixed_dictionaries(
    {"from": ROLES, "value": TEXTS, "weight": st.sampled_from([0, 1, 1, None, 2]), "tool_calls": st.none() | TEXTS}
)
CHATS: Mapping[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "turns": (TURNS, pa.struct({"role": pa.string(), "content": pa.string()})),
    "weighted": (
        WEIGHTED,
        pa.struct({"from": pa.string(), "value": pa.large_string(), "weight": pa.int64(), "tool_calls": pa.string()}),
    ),
    "no turns": (st.fixed_dictionaries({"role": FEW}), pa.struct({"role": pa.string()})),
}


def asked(turn: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A chat that ends well."""
    names = list(turn)
    rest = dict.fromkeys(names[2:])
    pair = ({names[0]: role, names[1]: said} for role, said in (("user", "2 + 2?"), ("assistant", "4")))
    return [one | rest for one in pair]


NUMBERS: Mapping[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "int64": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "few int64": (st.integers(-1, 3), pa.int64()),
    "int8": (st.integers(-3, 3), pa.int8()),
    "uint64": (st.integers(0, 2**64 - 1), pa.uint64()),
    "float": (FLOATS, pa.float64()),
    "small float": (st.floats(-10, 10), pa.float32()),
    "half": (st.floats(-10, 10, width=16), pa.float16()),
    "bool": (st.booleans(), pa.bool_()),
    "decimal": (st.integers(-999, 999).map(lambda number: Decimal(number) / 10), pa.decimal128(6, 1)),
}
STRINGS: Mapping[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "string": (TEXTS, pa.string()),
    "few strings": (FEW, pa.string()),
    "large string": (FEW, pa.large_string()),
    "string view": (FEW, pa.string_view()),
}
BINARIES: Mapping[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "binary": (ENCODED, pa.binary()),
    "images": (IMAGES, pa.large_binary()),
    "binary view": (ENCODED, pa.binary_view()),
    "id": (st.binary(min_size=16, max_size=16), pa.binary(16)),
}
OTHERS: Mapping[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "timestamp": (st.integers(0, 2**40), pa.timestamp("ms")),
    "date": (st.integers(0, 20_000), pa.date32()),
    "duration": (st.integers(0, 2**40), pa.duration("s")),
    "null": (st.none(), pa.null()),
    "struct": (st.fixed_dictionaries({"a": st.integers(0, 3)}), pa.struct({"a": pa.int64()})),
    "image struct": (
        st.fixed_dictionaries({"bytes": ENCODED, "path": st.none() | FEW}),
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    ),
}
PLAIN = {**NUMBERS, **STRINGS, **BINARIES, **OTHERS}
PLAUSIBLE: Mapping[str, Sequence[str]] = {
    "label": ("few int64", "few strings", "bool", "int8"),
    "text": ("string", "few strings"),
    "sentence": ("string",),
    "image": ("images",),
    **dict.fromkeys(["prompt", "response", "completion", "instruction", "input", "output", "system"], ("string",)),
}
LAYOUTS = ("dictionary", "list", "large list", "fixed list", "list of dictionaries")


@st.composite
def plain(draw: st.DrawFn, rows: int, kinds: Sequence[str], *, nulls: bool) -> pa.Array:
    values, data_type = PLAIN[draw(st.sampled_from(kinds))]
    values = values | st.none() if nulls else values
    return pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), data_type)


@st.composite
def nested(draw: st.DrawFn, rows: int, *, nulls: bool) -> pa.Array:
    """A dictionary, or a list of values, often all of one length."""
    layout = draw(st.sampled_from(LAYOUTS))
    if layout == "dictionary":
        return draw(dictionaries(rows, nulls=nulls))
    width = draw(st.integers(0, 3))
    is_ragged = layout != "fixed list" and draw(st.booleans())
    lengths = [draw(st.integers(0, 3)) if is_ragged else width for _ in range(rows)]
    kinds = [*NUMBERS, *STRINGS]
    inner = draw(
        dictionaries(sum(lengths), nulls=nulls) if "dict" in layout else plain(sum(lengths), kinds, nulls=nulls)
    )
    if layout == "fixed list":
        assume(width)
        return pa.FixedSizeListArray.from_arrays(inner, width)
    ends = [sum(lengths[:row]) for row in range(rows + 1)]
    made = pa.LargeListArray if layout == "large list" else pa.ListArray
    return made.from_arrays(pa.array(ends, pa.int64() if layout == "large list" else pa.int32()), inner)


@st.composite
def dictionaries(draw: st.DrawFn, rows: int, *, nulls: bool) -> pa.Array:
    """Some of a few values, one of which may be null or there twice."""
    values = draw(plain(draw(st.integers(1, 4)), [*NUMBERS, *STRINGS, "binary"], nulls=nulls))
    codes = st.integers(0, len(values) - 1)
    codes = codes | st.none() if nulls else codes
    return pa.DictionaryArray.from_arrays(
        pa.array(draw(st.lists(codes, min_size=rows, max_size=rows)), pa.int8()), values
    )


@st.composite
def chats(draw: st.DrawFn, rows: int, *, nulls: bool) -> pa.Array:
    turns, data_type = CHATS[draw(st.sampled_from(list(CHATS)))]
    well = draw(st.booleans())
    ends = asked({field.name: None for field in data_type}) if well and data_type.num_fields > 1 else []
    chat = st.lists(turns, max_size=2 if well else 4).map(lambda begun: [*begun, *ends])
    chat = chat | st.none() if nulls else chat
    return pa.array(draw(st.lists(chat, min_size=rows, max_size=rows)), pa.list_(data_type))


@st.composite
def histories(draw: st.DrawFn, rows: int, *, nulls: bool) -> pa.Array:
    pairs = st.lists(st.lists(FEW | st.none() if nulls else FEW, min_size=2, max_size=2 + nulls), max_size=2)
    return pa.array(draw(st.lists(pairs, min_size=rows, max_size=rows)), pa.list_(pa.list_(pa.string())))


@st.composite
def columns(draw: st.DrawFn, name: str, rows: int) -> pa.Array:
    """A column as its name lets expect, more often than not; else any."""
    nulls = draw(st.integers(0, 7)) == 0
    if draw(st.integers(0, 5)):
        if name in ("messages", "conversations", "chosen"):
            return draw(chats(rows, nulls=nulls))
        if name == "history":
            return draw(histories(rows, nulls=nulls))
        if name in PLAUSIBLE:
            return draw(plain(rows, PLAUSIBLE[name], nulls=nulls))
    kinds = list(PLAIN)
    return draw(st.one_of(plain(rows, kinds, nulls=nulls), plain(rows, kinds, nulls=nulls), nested(rows, nulls=nulls)))


USUAL: Mapping[str, Sequence[Sequence[str]]] = {
    "tabular-classification": (("x", "a.b", "label"), ("label", "x", "id"), ("x", "text", "label")),
    "text-classification": (("text", "label"), ("sentence", "label", "id")),
    "image-classification": (("image", "label"), ("id", "image", "label")),
    "causal-lm": (
        *(("messages",), ("conversations", "system"), ("prompt", "response"), ("instruction", "input", "output")),
        *(("instruction", "output", "system", "history"), ("messages", "tools"), ("prompt", "completion", "context")),
    ),
}


@st.composite
def tables(draw: st.DrawFn, task: str) -> pa.Table:
    rows = draw(ROWS)
    usual = draw(st.sampled_from(USUAL[task]))
    others = draw(st.lists(st.sampled_from(NAMES), max_size=3))
    names = list(dict.fromkeys([*usual, *others]))
    return pa.table({name: draw(columns(name, rows)) for name in names})


# --- files ------------------------------------------------------------------------------------------------------------


def parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, row_group_size=7)


def arrow(path: Path, table: pa.Table) -> None:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)


def arrow_stream(path: Path, table: pa.Table) -> None:
    with ipc.new_stream(path, table.schema, options=ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        writer.write_table(table, max_chunksize=5)


def jsonl(path: Path, table: pa.Table) -> None:
    path.write_text("".join(json.dumps(row, default=str, allow_nan=False) + "\n" for row in table.to_pylist()))


def json_array(path: Path, table: pa.Table) -> None:
    path.write_text(json.dumps(table.to_pylist(), default=str, allow_nan=False))


def delimited(path: Path, table: pa.Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(table.column_names)
        writer.writerows([["" if value is None else value for value in row.values()] for row in table.to_pylist()])


WRITERS: Mapping[str, tuple[str, Callable[[Path, pa.Table], None]]] = {
    "parquet": (".parquet", parquet),
    "arrow file": (".arrow", arrow),
    "arrow stream": (".arrow", arrow_stream),
    "jsonl": (".jsonl", jsonl),
    "json": (".json", json_array),
    "csv": (".csv", delimited),
    "tsv": (".tsv", delimited),
}
UNWRITABLE = (pa.ArrowException, NotImplementedError, ValueError, csv.Error)
"""What says that a format cannot hold a table."""


@dataclass(frozen=True)
class Example:
    """A dataset and a request for it."""

    table: pa.Table
    kind: str
    cuts: Sequence[int]
    """Where a file ends and the next one begins."""
    choices: Mapping[str, Any]

    def written(self, folder: Path) -> Path:
        """Write the files and return their folder."""
        suffix, write = WRITERS[self.kind]
        bounds = sorted({0, *(cut % (len(self.table) + 1) for cut in self.cuts), len(self.table)})
        for number, (start, end) in enumerate(pairwise(bounds)):
            try:
                write(folder / f"part-{number}{suffix}", self.table.slice(start, end - start))
            except UNWRITABLE:
                assume(False)
        return folder

    def spec(self, folder: Path) -> DatasetSpec:
        try:
            return DatasetSpec.model_validate({"uri": str(folder)} | self.choices)
        except ValidationError:
            assume(False)
            raise


def choices(table: pa.Table, task: str) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from([*table.column_names, "nowhere"])
    several = st.lists(names, min_size=2, max_size=3)
    rare = {
        "input": names | several | st.lists(names, min_size=1, max_size=1),
        "target": names | several,
        "missing": st.sampled_from(["refuse", "impute"]),
        "image_size": st.just(8),
        "exclude": st.lists(names, min_size=1, max_size=2),
        "colour": st.booleans(),
        "background": st.sampled_from(["white", "black"]),
    }
    few = st.sampled_from([(), (), (), *((name,) for name in rare), ("input", "target"), ("input", "exclude")])
    chosen = few.flatmap(lambda names: st.fixed_dictionaries({name: rare[name] for name in names}))
    return chosen.map(lambda said: {"task": task} | said)


@st.composite
def examples(draw: st.DrawFn, kinds: Sequence[str]) -> Example:
    holds_bytes = "parquet" in kinds or "arrow file" in kinds
    task = draw(st.sampled_from(TASKS if holds_bytes else [name for name in TASKS if name != "image-classification"]))
    table = draw(tables(task))
    cuts = draw(st.lists(st.integers(0, 30), max_size=2))
    return Example(table, draw(st.sampled_from(kinds)), cuts, draw(choices(table, task)))


# --- texts that no table was written to -------------------------------------------------------------------------------


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)
CELLS = st.text("abc01.,\"'\t -é", max_size=6) | st.sampled_from(["1", "2", "a", "NaN", "1e999"])
SIMPLE: Sequence[st.SearchStrategy[Any]] = (st.integers(0, 2), st.sampled_from(["a", "b"]), st.floats(-9, 9), TEXTS)


def _as_text(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return values.map(str)


@st.composite
def raw_texts(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """A file's name, its content, and a request."""
    task = draw(st.sampled_from(TASKS))
    names = draw(st.sampled_from(USUAL[task]))
    request = {"task": task, "missing": draw(st.sampled_from(["refuse", "impute"]))}
    request = {"task": task} if task != TASKS[0] else request
    rows = draw(ROWS)
    if draw(st.booleans()):
        kinds = {name: draw(st.sampled_from([*SIMPLE, JSON_VALUES])) for name in names}
        sure = {name: kinds.pop(name) for name in names if draw(st.integers(0, 4))}
        lines = [json.dumps(draw(st.fixed_dictionaries(sure, optional=kinds))) for _ in range(rows)]
        return "rows.jsonl", "\n".join(lines), request
    kinds = {name: draw(st.sampled_from([CELLS, *map(_as_text, SIMPLE)])) for name in names}
    cells = [[draw(kind) for kind in kinds.values()] for _ in range(rows)]
    suffix, mark = draw(st.sampled_from([("csv", ","), ("tsv", "\t")]))
    return f"rows.{suffix}", "\n".join(map(mark.join, [list(names), *cells])), request


# --- the property -----------------------------------------------------------------------------------------------------


def check(folder: Path, spec: DatasetSpec) -> str:
    """Return what became of the dataset; fail for anything but documented errors, or a refusal that comes too late."""
    try:
        with limited(Budget(60, preview_seconds=60)):
            summary = inspect(spec, roots=[folder])
    except TedError as error:
        assert error.field, error
        return "refused"
    assert InspectionAnswer.model_validate_json(InspectionAnswer(summary=summary).as_line()).summary == summary
    try:
        samples = load(spec, roots=[folder])
    except TedError as error:
        assert error.field, error
        assert is_of_all_rows(error, summary), f"accepted, then {error.code()}: {error}"
        return "refused later"
    agree(summary, samples)
    return "loaded"


def is_of_all_rows(error: TedError, summary: DatasetSummary) -> bool:
    """Whether only all rows could tell; of images a few may be damaged, and how many is for the worker to decide."""
    assert summary.rows
    return isinstance(error, OF_ALL_ROWS) and (summary.rows > HEAD or isinstance(error, UndecodableImages))


def agree(summary: DatasetSummary, samples: Samples) -> None:
    """Fail unless what was counted before loading is what was loaded."""
    understood = summary.understood
    assert understood
    assert summary.rows == samples.rows
    assert (understood.class_count or 0) == len(samples.classes)
    assert [one.name for one in understood.classes or ()] == list(samples.classes)
    assert understood.first_row is not None
    if len(samples) == samples.rows and understood.classes:
        several = samples.multi_label
        of_rows = samples.labels.sum() if several else len(samples)
        assert sum(one.rows for one in understood.classes) == of_rows


def search(kinds: Sequence[str], *, examples_to_try: int, number: int) -> dict[str, int]:
    """Try so many examples, and return what became of them."""
    outcomes: dict[str, int] = {}

    @seed(number)
    @settings(
        max_examples=examples_to_try,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples(kinds) if kinds else raw_texts())
    def holds(example: Any) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if isinstance(example, Example):
                spec = example.spec(example.written(folder))
            else:
                file, content, request = example
                (folder / file).write_text(content)
                spec = DatasetSpec.model_validate({"uri": str(folder / file)} | request)
            outcome = check(folder, spec)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

    holds()
    return outcomes


@pytest.fixture(autouse=True)
def few_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "ROWS", HEAD)


FILES = {
    "parquet": ["parquet"],
    "arrow": ["arrow file", "arrow stream"],
    "json": ["jsonl", "json"],
    "csv": ["csv", "tsv"],
}


@pytest.mark.parametrize("kind", [*FILES, "raw"])
def test_what_is_accepted_loads(kind: str) -> None:
    outcomes = search(FILES.get(kind, []), examples_to_try=EXAMPLES, number=1)

    assert outcomes.get("loaded", 0) >= EXAMPLES / 50
    assert outcomes.get("refused", 0)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
def test_whatever_is_accepted_loads() -> None:
    until = time.monotonic() + SECONDS

    for number in count(1):
        for kinds in (*FILES.values(), []):
            search(kinds, examples_to_try=100, number=number)
        if time.monotonic() > until:
            break
