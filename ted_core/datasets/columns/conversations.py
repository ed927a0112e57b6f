"""Instruction data in its usual layouts: which columns hold conversations, and which are left out of them.

A chat is a list of turns, with ``role`` and ``content`` as chat templates have them, or ``from`` and ``value`` as in
ShareGPT. Alpaca's rows have an instruction, perhaps an input that follows it after an empty line, and an output. A pair
is a prompt and its response. Beside any of these, a column may hold what the system says first, and another what was
said before, as LLaMA-Factory has them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ted_core.datasets.columns import turns
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.turns import FIELD, TurnColumns
from ted_core.datasets.columns.types import KEY_NAMES, is_list, is_text
from ted_core.datasets.findings import findings, warn
from ted_core.errors import UnusableInputs
from ted_core.warnings import WarningCode

CHATS = ("messages", "conversations")
PAIRS = (("prompt", "response"), ("prompt", "completion"))
SYSTEMS, HISTORIES = ("system", "system_prompt"), ("history",)
"""What the columns may be called that come before a conversation; the first that exists is read."""
PREFERENCES = ("chosen", "rejected")
LAYOUTS = "messages or conversations, instruction and output, prompt and response or completion"
PROMPT_PARTS = frozenset(
    {
        *(*SYSTEMS, *HISTORIES, *PREFERENCES, "system_message", "developer", "tools", "functions", "images", "image"),
        *("videos", "audios", "context", "contexts", "knowledge", "document", "documents", "passage", "passages"),
        *("background", "persona", "evidence", "facts", "reference", "references", "thinking", "thought", "thoughts"),
        *("reasoning", "reasoning_content", "rationale", "chain_of_thought", "cot"),
    }
)
"""Columns of these names are, as a rule, a part of what a conversation's model sees or says."""
TEXT_PARTS = frozenset({"instruction", "input", "prompt", "question", "query", "output", "response", "answer"})
"""So are these, beside columns of texts; beside chats, which are whole, they repeat a turn."""
Part = tuple[tuple[str, ...], Callable[..., TurnColumns]]
"""Columns, and how some of a conversation's turns are read from them."""


@dataclass(frozen=True)
class Layout:
    """Which columns hold conversations, and how to read them."""

    parts: tuple[Part, ...]
    """What follows each other in a conversation."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read, each column once."""
        return tuple(dict.fromkeys(name for names, _ in self.parts for name in names))

    @property
    def is_whole(self) -> bool:
        """Whether its core is a chat, not columns of texts."""
        return self.parts[-1][1] is turns.chat

    def turns(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the conversation of each row: a list of {role, content}, and what else ``turns.joined`` says."""
        return turns.joined([read(*(batch[name] for name in names)) for names, read in self.parts], rows=batch.num_rows)


def layout(schema: pa.Schema, names: Sequence[str], *, excluded: Collection[str] = ()) -> Layout:
    """Return the layout of these columns, or else the first usual one in the dataset; note what is left out of it.

    Raises UnusableInputs.
    """
    usable = pa.schema([field for field in schema if field.name not in excluded])
    candidates = _named(schema, names) if names else _usual(usable)
    chosen = next(candidates, None)
    if chosen is None:
        raise UnusableInputs(_no_layout(schema, names), field=FIELD)
    _note_left_out(schema, chosen, excluded)
    return chosen


def _no_layout(schema: pa.Schema, names: Sequence[str]) -> str:
    columns = [f"{name!r} of type {schema.field(name).type}" for name in names]
    present = " and ".join(columns) or f"none of {abbreviated_list(schema.names)}"
    fact = f"Conversations are {LAYOUTS}; here is {present}"
    if not names and set(PREFERENCES) <= set(schema.names):
        return f"{fact}. Preferences are not learned from; name whole conversations, such as {PREFERENCES[0]!r}"
    return fact


def _named(schema: pa.Schema, names: Sequence[str]) -> Iterator[Layout]:
    """What comes before a conversation is known by its name; of several texts the last is the response."""
    before = [part for part in _before(schema) if set(part[0]) <= set(names)]
    core = [name for name in names if not any(name in columns for columns, _ in before)]
    yield from (Layout((*before, part)) for part in _cores(schema, core))
    yield from (Layout((part,)) for part in _cores(schema, names))


def _cores(schema: pa.Schema, names: Sequence[str]) -> Iterator[Part]:
    if len(names) == 1 and _is_chat(schema, names[0]):
        yield tuple(names), turns.chat
    if len(names) > 1 and _are_texts(schema, *names):
        yield tuple(names), turns.texts


def _usual(schema: pa.Schema) -> Iterator[Layout]:
    before = tuple(_before(schema))
    yield from (Layout((*before, part)) for part in _usual_cores(schema))


def _usual_cores(schema: pa.Schema) -> Iterator[Part]:
    yield from (((name,), turns.chat) for name in CHATS if _is_chat(schema, name))
    if _are_texts(schema, "instruction", "output"):
        extra = ("input",) if _are_texts(schema, "input") else ()
        yield ("instruction", *extra, "output"), turns.texts
    yield from ((names, turns.texts) for names in PAIRS if _are_texts(schema, *names))


def _before(schema: pa.Schema) -> Iterator[Part]:
    """The columns of what comes before a conversation."""
    for names, fits, read in ((SYSTEMS, _are_texts, turns.system), (HISTORIES, _is_history, turns.history)):
        found = next((name for name in names if fits(schema, name)), None)
        if found is not None:
            yield (found,), read


def _are_texts(schema: pa.Schema, *names: str) -> bool:
    return all(schema.names.count(name) == 1 and is_text(schema.field(name).type) for name in names)


def _is_chat(schema: pa.Schema, name: str) -> bool:
    return schema.names.count(name) == 1 and turns.is_chat(schema.field(name).type)


def _is_history(schema: pa.Schema, name: str) -> bool:
    """Whether the column holds pairs of texts, or turns."""
    if schema.names.count(name) != 1 or not is_list(data_type := schema.field(name).type):
        return False
    pair = data_type.value_type
    return turns.is_chat(data_type) or (is_list(pair) and is_text(pair.value_type))


# --- what is left out -------------------------------------------------------------------------------------------------


def _note_left_out(schema: pa.Schema, chosen: Layout, excluded: Collection[str]) -> None:
    """Note the columns that are not read; warn of those that look like a part of the conversations."""
    known = {*chosen.columns, *KEY_NAMES, *excluded}
    others = [field for field in schema if field.name not in known]
    findings().left_out.update({field.name: "is not read for conversations" for field in others})
    parts = PROMPT_PARTS if chosen.is_whole else PROMPT_PARTS | TEXT_PARTS
    if looks := [field.name for field in others if field.name.lower() in parts and _says_something(field.type)]:
        fact = f"{_quoted(looks)} may belong to the conversations, but {'is' if len(looks) == 1 else 'are'} not read"
        warn(WarningCode.COLUMNS_LEFT_OUT, fact, field=FIELD)
    _warn_of_turns(schema, chosen)


def _warn_of_turns(schema: pa.Schema, chosen: Layout) -> None:
    for names, read in chosen.parts:
        fields = turns.fields_left_out(schema.field(names[0]).type) if read is turns.chat else []
        if fields:
            fact = f"The turns' {_quoted(fields)} may belong to what is said, but cannot be read"
            warn(WarningCode.TURN_FIELDS_LEFT_OUT, fact, field=FIELD)


def _says_something(data_type: pa.DataType) -> bool:
    """Whether a column of this type can hold more than nulls and empty lists."""
    return not pa.types.is_null(data_type) and not (is_list(data_type) and not _says_something(data_type.value_type))


def _quoted(names: Iterable[str]) -> str:
    return abbreviated_list(repr(name) for name in names)
