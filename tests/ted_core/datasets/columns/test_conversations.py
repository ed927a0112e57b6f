"""Instruction data in the layouts that people have it in."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ted_core.datasets import Dialogues, Samples
from ted_core.errors import (
    MissingValues,
    NothingToLearn,
    SettingUnsuited,
    TedError,
    UnknownColumn,
    UnusableInputs,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import DIALOGUES, parquet

Chat = list[dict[str, Any] | None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def turn(role: str | None, content: str | None) -> dict[str, Any]:
    return {"role": role, "content": content}


ASKED = [turn("user", "2 + 2?"), turn("assistant", "4")]
LONGER = [turn("system", "Be brief."), *ASKED, turn("user", "Sure?"), turn("assistant", "Yes")]


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"task": DIALOGUES} | choices)


def conversations(path: Path, **choices: Any) -> Any:
    inputs = loaded(path, **choices).inputs
    assert isinstance(inputs, Dialogues)
    return inputs.turns.to_pylist()


def refused(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused(error, path, **{"task": DIALOGUES} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"task": DIALOGUES} | choices)


# --- layouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["messages", "conversations"])
def test_messages_are_taken_as_they_are(path: Path, name: str) -> None:
    samples = loaded(parquet(path, **{name: [ASKED, LONGER]}))

    assert isinstance(samples.inputs, Dialogues)
    assert samples.inputs.turns.to_pylist() == [ASKED, LONGER]
    assert (samples.kind, samples.labels.tolist(), samples.classes) == ("dialogue", [0, 0], ())


def test_sharegpts_names_are_translated(path: Path) -> None:
    chat = [{"from": role, "value": words} for role, words in (("system", "Hi"), ("human", "2 + 2?"), ("gpt", "4"))]

    assert conversations(parquet(path, conversations=[chat])) == [[turn("system", "Hi"), *ASKED]]


def test_what_else_a_turn_holds_is_ignored(path: Path) -> None:
    chat = [message | {"weight": 1, "name": None} for message in ASKED]

    assert conversations(parquet(path, messages=[chat])) == [ASKED]


@pytest.mark.parametrize(
    "kind", [pa.large_list(pa.struct([("role", pa.large_string()), ("content", pa.large_string())]))]
)
def test_large_types_hold_messages_too(path: Path, kind: pa.DataType) -> None:
    assert conversations(parquet(path, messages=pa.array([ASKED, LONGER], kind))) == [ASKED, LONGER]


def test_alpacas_input_follows_its_instruction(path: Path) -> None:
    parquet(path, instruction=["Add", "Add", "Add"], input=["2, 2", "", None], output=["4", "?", "!"])

    assert conversations(path) == [
        [turn("user", "Add\n\n2, 2"), turn("assistant", "4")],
        [turn("user", "Add"), turn("assistant", "?")],
        [turn("user", "Add"), turn("assistant", "!")],
    ]


def test_alpaca_needs_no_input(path: Path) -> None:
    assert conversations(parquet(path, instruction=["2 + 2?"], output=["4"])) == [ASKED]


@pytest.mark.parametrize("answer", ["response", "completion"])
def test_prompts_and_responses_are_two_turns(path: Path, answer: str) -> None:
    parquet(path, prompt=["2 + 2?", "a"], **{answer: ["4", "b"]})

    assert conversations(path) == [ASKED, [turn("user", "a"), turn("assistant", "b")]]


def test_the_first_layout_that_fits_is_taken(path: Path) -> None:
    parquet(path, prompt=["a"], response=["b"], instruction=["c"], output=["d"], messages=["no list"])

    assert conversations(path) == [[turn("user", "c"), turn("assistant", "d")]]


def test_columns_of_other_names_can_be_named(path: Path) -> None:
    parquet(path, question=["2 + 2?"], answer=["4"], chat=[LONGER], messages=[ASKED])

    assert conversations(path, input=["question", "answer"]) == [ASKED]
    assert conversations(path, input="chat") == [LONGER]


def test_conversations_of_many_batches_and_files_stay_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.parquet.BATCH_ROWS", 2)
    chats = [[turn("user", str(row)), turn("assistant", "x")] * (1 + row % 3) for row in range(10)]
    for number, rows in enumerate((slice(0, 5), slice(5, 10))):
        parquet(tmp_path / f"{number}.parquet", messages=chats[rows])

    assert conversations(tmp_path / "*.parquet") == chats


def test_ids_are_kept(path: Path) -> None:
    samples = loaded(parquet(path, messages=[ASKED, LONGER], id=["a", "b"]))

    assert samples.sample_key is not None
    assert samples.sample_key.to_pylist() == ["a", "b"]


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_without_a_known_layout_the_columns_are_listed(path: Path) -> None:
    error = refused_on_sight(UnusableInputs, parquet(path, question=["a"], answer=["b"]))

    assert error.field == "dataset.input"
    assert error.fact.endswith("here is none of question, answer")


@pytest.mark.parametrize("names", ["question", ["question", "number"], ["question", "answer", "number"]])
def test_what_is_named_has_to_be_a_conversation(path: Path, names: str | list[str]) -> None:
    parquet(path, question=["a"], answer=["b"], number=[1], messages=[ASKED])

    assert "'question' of type string" in refused_on_sight(UnusableInputs, path, input=names).fact


def test_an_unknown_column_is_refused_with_the_names_there_are(path: Path) -> None:
    assert refused_on_sight(UnknownColumn, parquet(path, messages=[ASKED]), input="chat").field == "dataset.input"


def test_a_target_has_no_meaning(path: Path) -> None:
    parquet(path, messages=[ASKED], label=[0])

    assert refused_on_sight(SettingUnsuited, path, target="label").field == "dataset.target"


@pytest.mark.parametrize(
    "chat",
    [[], [turn("user", "Hello?")], [turn("assistant", "Hello!")], [*ASKED[:1], turn("assistant", " ")]],
    ids=["empty", "unanswered", "unasked", "blank"],
)
def test_a_conversation_without_an_answer_is_refused_by_row(path: Path, chat: Chat) -> None:
    error = refused(NothingToLearn, parquet(path, messages=[ASKED, chat, LONGER, chat]))

    assert error.field == "dataset.input"
    assert error.fact == "No answer in 2 rows, first: 1, 3"


@pytest.mark.parametrize("answer", [None, ""])
def test_a_response_that_says_nothing_is_no_answer(path: Path, answer: str | None) -> None:
    parquet(path, prompt=["a", "b"], response=["c", answer])

    assert refused(NothingToLearn, path).fact == "No answer in 1 rows, first: 1"


@pytest.mark.parametrize("chat", [None, [turn("user", None), *ASKED]], ids=["row", "content"])
def test_nulls_are_refused_by_row(path: Path, chat: Chat | None) -> None:
    assert refused(MissingValues, parquet(path, messages=[ASKED, chat])).fact.endswith("null in 1 rows, first: 1")


@pytest.mark.parametrize("role", ["tool", None])
def test_other_roles_are_refused_by_row_and_by_name(path: Path, role: str | None) -> None:
    error = refused(UnusableInputs, parquet(path, messages=[ASKED, [*ASKED, turn(role, "x")]]))

    assert error.fact.startswith(f"A turn has the role {role!r}")
    assert error.fact.endswith("in 1 rows, first: 1")
