"""Instruction data in its usual layouts → conversations.

A chat is a list of turns, with ``role`` and ``content`` as chat templates have them, or ``from`` and ``value`` as in
ShareGPT. Alpaca's rows have an instruction, perhaps an input that follows it after an empty line, and an output. A pair
is a prompt and its response.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.types import is_list, is_text, refuse_nulls
from ted_core.datasets.row_locations import RowLocations
from ted_core.errors import MissingValues, NothingToLearn, UnusableInputs

FIELD = "dataset.input"
SPEAKER, WORDS = ("role", "from"), ("content", "value")
"""What the two fields of a turn may be called."""
ROLES: Mapping[str, str] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
"""What a role is called, and what it becomes."""
CHATS = ("messages", "conversations")
PAIRS = (("prompt", "response"), ("prompt", "completion"))
LAYOUTS = "messages or conversations, instruction and output, prompt and response or completion"


@dataclass(frozen=True)
class Layout:
    """Which columns hold conversations, and how to read them."""

    columns: tuple[str, ...]
    turns: Callable[..., pa.Array]
    """The columns of some rows, in that order, as a list of {role, content} per row."""


def layout(schema: pa.Schema, names: Sequence[str]) -> Layout:
    """Return the layout of these columns, or else the first usual one in the dataset. Raises UnusableInputs."""
    candidates = _named(schema, names) if names else _usual(schema)
    if (first := next(candidates, None)) is not None:
        return first
    columns = [f"{name!r} of type {schema.field(name).type}" for name in names]
    present = " and ".join(columns) or f"none of {abbreviated_list(schema.names)}"
    raise UnusableInputs(f"Conversations are {LAYOUTS}; here is {present}", field=FIELD)


def _named(schema: pa.Schema, names: Sequence[str]) -> Iterator[Layout]:
    if len(names) == 1 and _is_chat(schema, names[0]):
        yield Layout(tuple(names), _chat)
    if len(names) == 2 and _are_texts(schema, *names):  # noqa: PLR2004 - prompt and response
        yield Layout(tuple(names), _pair)


def _usual(schema: pa.Schema) -> Iterator[Layout]:
    yield from (Layout((name,), _chat) for name in CHATS if _is_chat(schema, name))
    if _are_texts(schema, "instruction", "output"):
        extra = ("input",) if _are_texts(schema, "input") else ()
        yield Layout(("instruction", "output", *extra), _alpaca)
    yield from (Layout(names, _pair) for names in PAIRS if _are_texts(schema, *names))


def _are_texts(schema: pa.Schema, *names: str) -> bool:
    return all(schema.names.count(name) == 1 and is_text(schema.field(name).type) for name in names)


def _is_chat(schema: pa.Schema, name: str) -> bool:
    if schema.names.count(name) != 1 or not is_list(data_type := schema.field(name).type):
        return False
    turn = data_type.value_type
    return pa.types.is_struct(turn) and all(_text_field(names, turn) for names in (SPEAKER, WORDS))


def _text_field(names: Sequence[str], turn: pa.StructType) -> str | None:
    """The first of these names that is a field of text in a turn."""
    return next((name for name in names if _is_text_field(turn, name)), None)


def _is_text_field(turn: pa.StructType, name: str) -> bool:
    index = turn.get_field_index(name)  # -1 also if several have the name
    return index >= 0 and is_text(turn[index].type)


# --- rows as conversations --------------------------------------------------------------------------------------------


def _chat(chats: pa.Array) -> pa.Array:
    turns = pc.list_flatten(chats)
    speakers = pc.struct_field(turns, _text_field(SPEAKER, turns.type)).cast(pa.string())
    indices = pc.index_in(speakers, value_set=pa.array(list(ROLES)))
    roles = pc.coalesce(pa.array(list(ROLES.values())).take(indices), speakers)
    contents = pc.struct_field(turns, _text_field(WORDS, turns.type)).cast(pa.string())
    lengths = pc.list_value_length(chats).fill_null(0).to_numpy(zero_copy_only=False)
    return _conversations(roles, contents, lengths=lengths, absent=chats.is_null())


def _pair(prompts: pa.Array, responses: pa.Array) -> pa.Array:
    rows = len(prompts)
    alternating = pa.array(np.arange(2 * rows).reshape(2, rows).T.ravel())
    contents = pa.concat_arrays([prompts.cast(pa.string()), responses.cast(pa.string())]).take(alternating)
    roles = pa.array(["user", "assistant"]).take(pa.array(np.tile([0, 1], rows)))
    return _conversations(roles, contents, lengths=np.full(rows, 2), absent=pa.repeat(False, rows))


def _alpaca(instructions: pa.Array, outputs: pa.Array, inputs: pa.Array | None = None) -> pa.Array:
    texts = instructions.cast(pa.string())
    if inputs is None:
        return _pair(texts, outputs)
    extra = inputs.cast(pa.string()).fill_null("")
    with_input = pc.binary_join_element_wise(texts, extra, "\n\n")
    return _pair(pc.if_else(_is_blank(extra), texts, with_input), outputs)


def _conversations(roles: pa.Array, contents: pa.Array, *, lengths: np.ndarray, absent: pa.Array) -> pa.Array:
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    turns = pa.StructArray.from_arrays([roles, contents], names=["role", "content"])
    return pa.ListArray.from_arrays(offsets, turns, mask=absent)


def _is_blank(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0)


# --- what can be learned ----------------------------------------------------------------------------------------------


def check_turns(turns: pa.ChunkedArray, *, name: str, locations: RowLocations) -> None:
    """Raise MissingValues, UnusableInputs or NothingToLearn, naming rows, unless every row can be learned from."""
    refuse_nulls(turns, name=name, field=FIELD, locations=locations)
    owners = np.repeat(np.arange(len(turns)), pc.list_value_length(turns).to_numpy())
    flat = pc.list_flatten(turns)
    roles, contents = pc.struct_field(flat, "role"), pc.struct_field(flat, "content")
    _check_roles(roles, owners, locations)
    unanswered = np.setdiff1d(np.arange(len(turns)), owners[_are_answers(roles, contents, owners)])
    if len(unanswered):
        raise NothingToLearn(f"No answer in {locations.first(unanswered)}", field=FIELD)
    if contents.null_count:
        rows = np.unique(owners[contents.is_null().to_numpy()])
        raise MissingValues(f"A turn of {name!r} is null in {locations.first(rows)}", field=FIELD)


def _are_answers(roles: pa.ChunkedArray, contents: pa.ChunkedArray, owners: np.ndarray) -> np.ndarray:
    """Whether each turn is a text of the assistant; one that opens its conversation answers nothing."""
    answers: np.ndarray = pc.and_(pc.equal(roles, "assistant"), pc.invert(_is_blank(contents.fill_null("")))).to_numpy()
    answers[1:] &= owners[1:] == owners[:-1]
    answers[:1] = False
    return answers


def _check_roles(roles: pa.ChunkedArray, owners: np.ndarray, locations: RowLocations) -> None:
    unknown = pc.invert(pc.is_in(roles, value_set=pa.array(sorted(set(ROLES.values()))))).to_numpy()
    if unknown.any():
        first = roles[int(unknown.argmax())].as_py()
        rows = locations.first(np.unique(owners[unknown]))
        fact = f"A turn has the role {first!r}, none of {', '.join(ROLES)}, in {rows}"
        raise UnusableInputs(fact, field=FIELD)
