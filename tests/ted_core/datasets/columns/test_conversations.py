"""Instruction data in the layouts that people have it in."""

import json
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
    chat = [message | {"id": 1, "name": None} for message in ASKED]

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


# --- what comes before a conversation ---------------------------------------------------------------------------------


SAID_BEFORE = [turn("system", "Be brief."), turn("user", "a"), turn("assistant", "b"), *ASKED]
PAIR = {"instruction": ["2 + 2?", "2 + 2?"], "input": ["", None], "output": ["4", "4"]}


@pytest.mark.parametrize("write", [files.parquet, files.jsonl], ids=["parquet", "jsonl"])
def test_alpacas_system_and_history_come_before_the_instruction(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / f"data.{write.__name__}", **PAIR, system=["Be brief.", ""], history=[[["a", "b"]], []])

    assert conversations(path) == [SAID_BEFORE, ASKED]
    assert inspected(path).warnings == ()


def test_sharegpts_system_is_the_first_turn(path: Path) -> None:
    chat = [{"from": role, "value": words} for role, words in (("human", "2 + 2?"), ("gpt", "4"))]
    parquet(path, conversations=[chat, chat], system=["Be brief.", None])

    assert conversations(path) == [[turn("system", "Be brief."), *ASKED], ASKED]


def test_a_system_prompt_stands_before_a_prompt(path: Path) -> None:
    parquet(path, prompt=["2 + 2?"], response=["4"], system_prompt=["Be brief."])

    assert conversations(path) == [[turn("system", "Be brief."), *ASKED]]


def test_a_history_may_be_turns(path: Path) -> None:
    parquet(path, prompt=["Sure?"], response=["Yes"], history=[ASKED])

    assert conversations(path) == [LONGER[1:]]


@pytest.mark.parametrize("history", [[None, []], [[], [[]]]])
def test_an_empty_history_says_nothing(path: Path, history: list[Any]) -> None:
    parquet(path, **PAIR, history=pa.array(history, pa.list_(pa.list_(pa.string()))))

    assert conversations(path) == [ASKED, ASKED]


@pytest.mark.parametrize("pair", [["a"], ["a", "b", "c"]])
def test_what_is_no_pair_in_a_history_is_refused_by_row(path: Path, pair: list[str]) -> None:
    parquet(path, **PAIR, history=[[], [["a", "b"], pair]])

    assert "no pair" in refused(UnusableInputs, path).fact
    assert refused(UnusableInputs, path).fact.endswith("in 1 rows, first: 1")


def test_a_null_in_a_history_is_refused_by_row(path: Path) -> None:
    parquet(path, **PAIR, history=[[], [[None, "b"]]])

    assert refused(MissingValues, path).fact.endswith("null in 1 rows, first: 1")


def test_any_text_between_prompt_and_response_can_be_named(path: Path) -> None:
    parquet(path, question=["Add", "Add"], context=["2, 2", ""], answer=["4", "?"], system=["Be brief.", "Sing."])

    assert conversations(path, input=["question", "context", "answer"]) == [
        [turn("user", "Add\n\n2, 2"), turn("assistant", "4")],
        [turn("user", "Add"), turn("assistant", "?")],
    ]
    first, _ = conversations(path, input=["question", "answer", "system"])
    assert first == [turn("system", "Be brief."), turn("user", "Add"), turn("assistant", "4")]


# --- what is left out -------------------------------------------------------------------------------------------------


def inspected(path: Path, **choices: Any) -> Any:
    return files.inspected(path, **{"task": DIALOGUES} | choices)


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"context": ["x"]}, "'context'"),
        ({"knowledge": ["x"], "tools": ['[{"name": "f"}]']}, "'knowledge', 'tools'"),
        ({"history": ["one text"]}, "'history'"),
        ({"chosen": ["x"], "rejected": ["y"]}, "'chosen', 'rejected'"),
        ({"thinking": ["hm"]}, "'thinking'"),
        ({"input": ["x"]}, "'input'"),
    ],
)
def test_columns_that_look_like_a_part_of_the_prompt_are_named(path: Path, columns: dict[str, Any], named: str) -> None:
    parquet(path, prompt=["2 + 2?"], response=["4"], source=["me"], id=["a"], **columns)

    [warning] = inspected(path).warnings
    excluded = inspected(path, exclude=list(columns))

    assert (warning.code, warning.field) == ("columns_left_out", "dataset.input")
    assert warning.message.startswith(f"{named} may belong to the conversations")
    assert excluded.warnings == ()
    assert loaded(path).warnings == (warning,)


def test_columns_that_are_not_read_are_listed(path: Path) -> None:
    understood = inspected(parquet(path, messages=[ASKED], source=["me"], id=["a"])).understood

    assert [column.name for column in understood.left_out] == ["source"]
    assert understood.inputs == ("messages",)


def test_a_column_that_only_holds_nulls_is_not_worth_a_warning(path: Path) -> None:
    parquet(path, messages=[ASKED], tools=[None], history=[[]])

    assert inspected(path).warnings == ()


def test_what_is_excluded_is_not_said(path: Path) -> None:
    parquet(path, **PAIR, system=["Be brief.", ""])

    assert conversations(path, exclude=["system", "input"]) == [ASKED, ASKED]


def test_preferences_are_refused_by_name(path: Path) -> None:
    parquet(path, prompt=["2 + 2?"], chosen=[ASKED], rejected=[ASKED])

    assert "Preferences are not learned from" in refused_on_sight(UnusableInputs, path).fact
    assert conversations(path, input="chosen") == [ASKED]


@pytest.mark.parametrize("field", ["reasoning_content", "thinking", "images"])
def test_fields_of_a_turn_that_cannot_be_read_are_named(path: Path, field: str) -> None:
    parquet(path, messages=[[message | {field: "hm"} for message in ASKED]])

    [warning] = inspected(path).warnings

    assert warning.code == "turn_fields_left_out"
    assert repr(field) in warning.message


# --- weights, roles and calls -----------------------------------------------------------------------------------------


def weighted(*weights: Any, field: str = "weight") -> Chat:
    """A chat whose answers have these weights."""
    return [message for weight in weights for message in (turn("user", "a"), turn("assistant", "b") | {field: weight})]


@pytest.mark.parametrize(("field", "no", "yes"), [("weight", 0, 1), ("weight", 0.0, 1.0), ("train", False, True)])
def test_answers_of_weight_0_are_not_learned(path: Path, field: str, no: Any, yes: Any) -> None:
    parquet(path, messages=[weighted(no, yes, field=field), weighted(yes, None, field=field)])

    learned = [[message["learned"] for message in chat[1::2]] for chat in conversations(path)]

    assert learned == [[False, True], [True, True]]


def test_an_answer_that_is_not_learned_may_be_the_last(path: Path) -> None:
    assert len(conversations(parquet(path, messages=[weighted(1, 0)]))) == 1


def test_a_conversation_of_which_nothing_is_learned_is_refused_by_row(path: Path) -> None:
    parquet(path, messages=[weighted(1, 0), weighted(0, 0)])

    assert refused(NothingToLearn, path).fact == "Every answer has weight 0 in 1 rows, first: 1"


@pytest.mark.parametrize("weight", [0.5, -1.0, 2.0])
def test_other_weights_are_refused_by_row(path: Path, weight: float) -> None:
    parquet(path, messages=[weighted(1.0), weighted(1.0, weight)])

    assert refused(UnusableInputs, path).fact == "An answer's weight is neither 0 nor 1 in 1 rows, first: 1"


@pytest.mark.parametrize("ending", [[turn("user", "And?")], [turn("tool", "3")]])
def test_a_conversation_that_does_not_end_in_an_answer_is_refused_by_row(path: Path, ending: Chat) -> None:
    parquet(path, messages=[ASKED, [*ASKED, *ending]])

    assert refused(NothingToLearn, path).fact == "The last turn is no answer in 1 rows, first: 1"


@pytest.mark.parametrize(
    ("role", "becomes"),
    [
        ("developer", "system"),
        ("Human", "user"),
        ("bing", "assistant"),
        ("model", "assistant"),
        ("function_call", "assistant"),
        *((role, "tool") for role in ("tool", "function", "observation", "ipython")),
    ],
)
def test_roles_go_by_many_names(path: Path, role: str, becomes: str) -> None:
    parquet(path, messages=[[turn("user", "a"), turn(role, "b"), *ASKED]])

    assert conversations(path)[0][1] == turn(becomes, "b")


CALL = {"type": "function", "function": {"name": "add", "arguments": {"left": 2, "right": 2}}}


@pytest.mark.parametrize("content", [None, "", "Let me see."])
def test_calls_of_tools_belong_to_the_answer(path: Path, content: str | None) -> None:
    called = turn("assistant", content) | {"tool_calls": [CALL]}
    parquet(path, messages=[[ASKED[0], called, turn("tool", "4"), ASKED[1]], [ASKED[0], called]])

    (_, answer, result, last), (_, only) = conversations(path)

    assert json.loads(answer["tool_calls"]) == json.loads(only["tool_calls"]) == [CALL]
    assert answer["content"] == (content or "")
    assert (result["role"], result["tool_calls"], last["tool_calls"]) == ("tool", None, None)


def test_what_a_call_does_not_say_is_no_null(path: Path) -> None:
    other = {"type": "function", "function": {"name": "now", "arguments": {"zone": "UTC"}}}
    chats = [[ASKED[0], turn("assistant", None) | {"tool_calls": [call]}] for call in (CALL, other)]

    calls = [json.loads(chat[1]["tool_calls"]) for chat in conversations(parquet(path, messages=chats))]

    assert calls == [[CALL], [other]]


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
    [[], [turn("user", "Hello?")], [turn("assistant", "Hello!")]],
    ids=["empty", "unanswered", "unasked"],
)
def test_a_conversation_without_an_answer_is_refused_by_row(path: Path, chat: Chat) -> None:
    error = refused(NothingToLearn, parquet(path, messages=[ASKED, chat, LONGER, chat]))

    assert error.field == "dataset.input"
    assert error.fact == "No answer in 2 rows, first: 1, 3"


def test_a_response_that_is_missing_is_refused(path: Path) -> None:
    parquet(path, prompt=["a", "b"], response=["c", None])

    assert "is null in 1 rows, first: 1" in refused(MissingValues, path).fact


@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_answer_without_words_is_taken_with_a_warning(path: Path, answer: str) -> None:
    parquet(path, prompt=["a", "b"], response=["c", answer])

    (warning,) = loaded(path).warnings

    assert (warning.code, warning.field) == ("answers_empty", "dataset.input")
    assert "An answer is empty in 1 rows, first: 1" in warning.message


def test_answers_that_are_all_empty_are_refused(path: Path) -> None:
    parquet(path, prompt=["a", "b"], response=["", " "])

    assert refused(NothingToLearn, path).fact == "Every answer is empty in 2 rows, first: 0, 1"


@pytest.mark.parametrize("chat", [None, [turn("user", None), *ASKED]], ids=["row", "content"])
def test_nulls_are_refused_by_row(path: Path, chat: Chat | None) -> None:
    assert refused(MissingValues, parquet(path, messages=[ASKED, chat])).fact.endswith("null in 1 rows, first: 1")


@pytest.mark.parametrize("role", ["narrator", None])
def test_other_roles_are_refused_by_row_and_by_name(path: Path, role: str | None) -> None:
    error = refused(UnusableInputs, parquet(path, messages=[ASKED, [*ASKED, turn(role, "x")]]))

    assert error.fact.startswith(f"A turn has the role {role!r}")
    assert error.fact.endswith("in 1 rows, first: 1")
