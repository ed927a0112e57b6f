"""Columns of some rows → the turns of their conversations, and whether a language model can learn from these."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns.types import is_list, is_number, is_text, refuse_nulls
from ted_core.datasets.findings import warn
from ted_core.datasets.row_locations import RowLocations
from ted_core.errors import MissingValues, NothingToLearn, UnusableInputs
from ted_core.warnings import WarningCode

FIELD = "dataset.input"
SPEAKER, WORDS = ("role", "from"), ("content", "value")
"""What the two fields of a turn may be called."""
WEIGHTS, CALLS = ("weight", "train", "loss"), ("tool_calls", "function_call")
"""What the fields may be called that say whether an answer is learned (OpenAI, Axolotl, ms-swift), and those of the
tools that it calls; the first that can be read is."""
SAID = frozenset({*WEIGHTS, *CALLS, "reasoning_content", "reasoning", "thinking", "images", "image", "audio", "videos"})
"""Fields of these names are a part of what a turn says, or decide about it."""
ROLES: Mapping[str, str] = {
    **dict.fromkeys(["system", "developer"], "system"),
    **dict.fromkeys(["user", "human", "prompter"], "user"),
    **dict.fromkeys(["assistant", "gpt", "chatgpt", "bing", "bard", "bot", "chatbot", "model", "ai"], "assistant"),
    **dict.fromkeys(["function_call", "tool_call"], "assistant"),
    **dict.fromkeys(["tool", "function", "observation", "ipython", "tool_response", "function_response"], "tool"),
}
"""What a role is called, in lower case, and what it becomes."""
COLUMNS = ("roles", "contents", "learned", "calls")
"""What ``TurnColumns`` holds of each turn."""
PAIR, NO_PAIR = ("user", "assistant"), "text of a history that is no pair"
"""The roles of a pair's two texts; and of others, which is refused like any unknown role."""


class TurnColumns(NamedTuple):
    """Some of the turns of some rows' conversations, in order."""

    owners: np.ndarray
    """The row that each turn belongs to."""
    roles: pa.Array
    contents: pa.Array
    learned: pa.Array | None = None
    """Whether each turn's answer is learned, null where its weight is neither 0 nor 1; None if all answers are."""
    calls: pa.Array | None = None
    """The tools that each turn calls, as JSON; None if there is no such field."""
    absent: pa.Array | None = None
    """Whether a row has no conversation at all."""

    @classmethod
    def of(cls, owners: np.ndarray, role: str, contents: pa.Array) -> "TurnColumns":
        """Return turns of one role."""
        return cls(owners, pa.repeat(role, len(owners)), contents)


# --- columns as turns -------------------------------------------------------------------------------------------------


def is_chat(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds a list of turns per row."""
    if not is_list(data_type) or not pa.types.is_struct(turn := data_type.value_type):
        return False
    return all(_text_field(names, turn) for names in (SPEAKER, WORDS))


def _text_field(names: Sequence[str], turn: pa.StructType) -> str | None:
    """The first of these names that is a field of text in a turn."""
    return next((name for name in names if (kind := _field_type(turn, name)) and is_text(kind)), None)


def _field_type(turn: pa.StructType, name: str) -> pa.DataType | None:
    index = turn.get_field_index(name)  # -1 also if several have the name
    return turn[index].type if index >= 0 else None


def _weight_field(turn: pa.StructType) -> str | None:
    return next((name for name in WEIGHTS if (kind := _field_type(turn, name)) and is_number(kind)), None)


def _calls_field(turn: pa.StructType) -> str | None:
    return next((name for name in CALLS if (kind := _field_type(turn, name)) and not pa.types.is_null(kind)), None)


def fields_left_out(chats: pa.DataType) -> list[str]:
    """Return the fields of a chat's turns that look like a part of what is said, but are not read."""
    turn = chats.value_type
    read = {_text_field(SPEAKER, turn), _text_field(WORDS, turn), _weight_field(turn), _calls_field(turn)}
    return [field.name for field in turn if field.name in SAID - read and not pa.types.is_null(field.type)]


def chat(chats: pa.Array) -> TurnColumns:
    """Return the turns of each row's list."""
    lengths = pc.list_value_length(chats).fill_null(0).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(chats)
    calls = _calls(flat)
    contents = pc.struct_field(flat, _text_field(WORDS, flat.type)).cast(pa.string())
    if calls is not None:
        contents = pc.if_else(calls.is_valid(), contents.fill_null(""), contents)
    owners = np.repeat(np.arange(len(chats)), lengths)
    return TurnColumns(owners, _roles(flat), contents, _learned(flat), calls, chats.is_null())


def _roles(turns: pa.Array) -> pa.Array:
    speakers = pc.struct_field(turns, _text_field(SPEAKER, turns.type)).cast(pa.string())
    names = pc.utf8_lower(pc.utf8_trim_whitespace(speakers))
    indices = pc.index_in(names, value_set=pa.array(list(ROLES)))
    return pc.coalesce(pa.array(list(ROLES.values())).take(indices), speakers)


def _learned(turns: pa.Array) -> pa.Array | None:
    name = _weight_field(turns.type)
    if name is None:
        return None
    weights = pc.struct_field(turns, name).cast(pa.float64()).fill_null(1)
    return pc.case_when(pc.make_struct(pc.equal(weights, 1), pc.equal(weights, 0)), True, False)


def _calls(turns: pa.Array) -> pa.Array | None:
    name = _calls_field(turns.type)
    if name is None:
        return None
    values = pc.struct_field(turns, name).to_pylist()
    return pa.array([_call(value) for value in values], pa.string())


def _call(value: Any) -> str | None:
    """The call as JSON, without the nulls that Arrow gives objects of different keys; None if nothing is called."""
    value = _without_nulls(value)
    if not value or isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False, default=str)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def texts(*columns: pa.Array) -> TurnColumns:
    """Return a turn of the user, the columns but the last with an empty line between them, and the last as answer."""
    *prompts, response = (column.cast(pa.string()) for column in columns)
    prompt = prompts[0]
    for extra in (further.fill_null("") for further in prompts[1:]):
        prompt = pc.if_else(_is_blank(extra), prompt, pc.binary_join_element_wise(prompt, extra, "\n\n"))
    rows = np.arange(len(response))
    return _joined(TurnColumns.of(rows, "user", prompt), TurnColumns.of(rows, "assistant", response))


def system(prompts: pa.Array) -> TurnColumns:
    """Return a turn of the system for each text that is not blank."""
    contents = prompts.cast(pa.string()).fill_null("")
    said = np.flatnonzero(~_is_blank(contents).to_numpy(zero_copy_only=False))
    return TurnColumns.of(said, "system", contents.take(pa.array(said)))


def history(chats: pa.Array) -> TurnColumns:
    """Return a turn of the user and one of the assistant for each pair; of other lists none that is known."""
    if is_chat(chats.type):
        return chat(chats)._replace(absent=None)
    lengths = pc.list_value_length(chats).fill_null(0).to_numpy(zero_copy_only=False)
    pairs = pc.list_flatten(chats)
    counts = pc.list_value_length(pairs).fill_null(0).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.repeat(np.arange(len(chats)), lengths), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    sides = np.where(np.repeat(counts, counts) == len(PAIR), places, len(PAIR))
    roles = pa.array([*PAIR, NO_PAIR]).take(pa.array(sides.astype(np.int64)))
    return TurnColumns(owners, roles, pc.list_flatten(pairs).cast(pa.string()))


def _is_blank(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0)


# --- turns as conversations -------------------------------------------------------------------------------------------


def _joined(*parts: TurnColumns) -> TurnColumns:
    """The turns of each row from all parts, one part after the other."""
    owners = np.concatenate([part.owners for part in parts])
    order = np.argsort(owners, kind="stable")
    absent = next((part.absent for part in parts if part.absent is not None), None)
    columns = {name: _column([getattr(part, name) for part in parts], parts) for name in COLUMNS}
    ordered = {name: column.take(pa.array(order)) for name, column in columns.items() if column is not None}
    return TurnColumns(owners=owners[order], absent=absent, **ordered)


def _column(arrays: Sequence[pa.Array | None], parts: Sequence[TurnColumns]) -> pa.Array | None:
    """One field of all parts; where a part has none, all its answers are learned and call nothing."""
    types = {array.type for array in arrays if array is not None}
    if not types:
        return None
    default = pa.scalar(True if types == {pa.bool_()} else None, types.pop())
    filled = [
        pa.repeat(default, len(part.owners)) if array is None else array
        for array, part in zip(arrays, parts, strict=True)
    ]
    return pa.concat_arrays(filled)


def joined(parts: Sequence[TurnColumns], *, rows: int) -> pa.Array:
    """Return for each row a list of {role, content}; also of {learned} and {tool_calls} where there are such fields."""
    turns = _joined(*parts)
    offsets = np.searchsorted(turns.owners, np.arange(rows + 1))
    fields = {"role": turns.roles, "content": turns.contents, "learned": turns.learned, "tool_calls": turns.calls}
    present = {name: array for name, array in fields.items() if array is not None}
    flat = pa.StructArray.from_arrays(list(present.values()), names=list(present))
    mask = None if turns.absent is None or not turns.absent.true_count else turns.absent
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, mask=mask)


# --- what can be learned ----------------------------------------------------------------------------------------------


def check_turns(conversations: pa.ChunkedArray, *, name: str, locations: RowLocations) -> None:
    """Raise MissingValues, UnusableInputs or NothingToLearn, naming rows, unless every row can be learned from."""
    refuse_nulls(conversations, name=name, field=FIELD, locations=locations)
    lengths = pc.list_value_length(conversations).to_numpy()
    owners = np.repeat(np.arange(len(conversations)), lengths)
    flat = pc.list_flatten(conversations)
    roles, contents = pc.struct_field(flat, "role"), pc.struct_field(flat, "content")
    _check_roles(roles, owners, locations)
    answers = _are_answers(roles, owners)
    _check_answers(answers, owners, locations, last=np.cumsum(lengths) - 1)
    _check_words(answers & ~_say_something(flat), answers, owners, locations=locations)
    _check_weights(flat, answers, owners, locations=locations)
    if contents.null_count:
        rows = np.unique(owners[contents.is_null().to_numpy()])
        raise MissingValues(f"A turn of {name!r} is null in {locations.first(rows)}", field=FIELD)


def _are_answers(roles: pa.ChunkedArray, owners: np.ndarray) -> np.ndarray:
    """Whether each turn is the assistant's; one that opens its conversation answers nothing."""
    answers: np.ndarray = pc.equal(roles, "assistant").to_numpy().copy()
    answers[1:] &= owners[1:] == owners[:-1]
    answers[:1] = False
    return answers


def _say_something(turns: pa.ChunkedArray) -> np.ndarray:
    """Whether each turn has words, or calls a tool; what is null is refused elsewhere."""
    says = pc.invert(_is_blank(pc.struct_field(turns, "content").fill_null("…")))
    if turns.type.get_field_index("tool_calls") >= 0:
        says = pc.or_(says, pc.struct_field(turns, "tool_calls").is_valid())
    said: np.ndarray = says.to_numpy()
    return said


def _check_answers(answers: np.ndarray, owners: np.ndarray, locations: RowLocations, *, last: np.ndarray) -> None:
    unanswered = np.setdiff1d(np.arange(len(last)), owners[answers])
    if len(unanswered):
        raise NothingToLearn(f"No answer in {locations.first(unanswered)}", field=FIELD)
    open_ended = np.flatnonzero(~answers[last])
    if len(open_ended):
        raise NothingToLearn(f"The last turn is no answer in {locations.first(open_ended)}", field=FIELD)


def _check_words(empty: np.ndarray, answers: np.ndarray, owners: np.ndarray, *, locations: RowLocations) -> None:
    """Warn of answers without words, of which only the end is learned. Raise NothingToLearn if there are no others."""
    rows = np.unique(owners[empty])
    if len(rows) and np.array_equal(empty, answers):
        raise NothingToLearn(f"Every answer is empty in {locations.first(rows)}", field=FIELD)
    if len(rows):
        warn(WarningCode.ANSWERS_EMPTY, f"An answer is empty in {locations.first(rows)}", field=FIELD)


def _check_weights(turns: pa.ChunkedArray, answers: np.ndarray, owners: np.ndarray, *, locations: RowLocations) -> None:
    if turns.type.get_field_index("learned") < 0:
        return
    learned = pc.struct_field(turns, "learned")
    unclear = learned.is_null().to_numpy() & answers
    if unclear.any():
        rows = locations.first(np.unique(owners[unclear]))
        raise UnusableInputs(f"An answer's weight is neither 0 nor 1 in {rows}", field=FIELD)
    taught = owners[answers & learned.fill_null(True).to_numpy()]
    nothing = np.setdiff1d(owners, taught)
    if len(nothing):
        raise NothingToLearn(f"Every answer has weight 0 in {locations.first(nothing)}", field=FIELD)


def _check_roles(roles: pa.ChunkedArray, owners: np.ndarray, locations: RowLocations) -> None:
    unknown = pc.invert(pc.is_in(roles, value_set=pa.array(sorted(set(ROLES.values()))))).to_numpy()
    if unknown.any():
        first = roles[int(unknown.argmax())].as_py()
        rows = locations.first(np.unique(owners[unknown]))
        fact = f"A turn has the role {first!r}, none of {', '.join(ROLES)}, in {rows}"
        raise UnusableInputs(fact, field=FIELD)
