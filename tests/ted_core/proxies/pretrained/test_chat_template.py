"""Conversations become tokens, and what the assistant answers is marked."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from ted_core.errors import NothingToLearn
from ted_core.proxies.pretrained.chat_template import encode_dialogue, render_dialogue
from tests.ted_core.proxies.pretrained.language_models import CHAT_TEMPLATE, tiny_tokenizer

ROOM = 1000
BRIEF = {"role": "system", "content": "Be brief."}
JOINED = "{{ messages | map(attribute='content') | join }}"
"""Here an answer starts where the prompt ends, without any mark."""
FORGETS = (
    "{% for turn in messages %}"
    "{% if loop.last or turn['role'] == 'user' %}{{ turn['role'] + ':' + turn['content'] + '\n' }}"
    "{% else %}{{ '(' + turn['role'] + ')' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
"""As templates of thinking models do, this one shortens an answer once the user goes on."""
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system turns') }}{% endif %}" + CHAT_TEMPLATE


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_tokenizer()


def turns(*contents: str, opening: Sequence[dict[str, str]] = ()) -> list[dict[str, Any]]:
    """The contents as turns of user and assistant, by turns, after those that open the conversation."""
    roles = itertools.cycle(["user", "assistant"])
    return [*opening, *({"role": role, "content": content} for role, content in zip(roles, contents, strict=False))]


def answers(conversation: list[dict[str, Any]], tokenizer: PreTrainedTokenizerFast, longest: int = ROOM) -> list[str]:
    """What is marked, one text for each stretch of marked tokens."""
    ids, marked = encode_dialogue(conversation, tokenizer, longest, row=0)
    found: list[list[int]] = []
    for place, one in enumerate(ids):
        if marked[place]:
            found = [*found, []] if not marked[place - 1] else found
            found[-1].append(one)
    return [tokenizer.decode(stretch) for stretch in found]


def test_an_answer_is_what_the_assistant_says_and_the_mark_that_ends_it(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("Name the capital of France.", "Paris.")

    ids, marked = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    prompt = "<|start|>user\nName the capital of France.<|end|>\n<|start|>assistant\n"
    assert tokenizer.decode([one for one, answer in zip(ids, marked, strict=True) if not answer]) == prompt
    assert answers(conversation, tokenizer) == ["Paris.<|end|>"]


def test_every_answer_of_a_conversation_is_marked_and_nothing_follows_the_last(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    conversation = turns("Hello.", "Hello, you.", "Bye.", "So long.", "And thanks!", opening=[BRIEF])

    ids, _ = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    assert answers(conversation, tokenizer) == ["Hello, you.<|end|>", "So long.<|end|>"]
    assert tokenizer.decode(ids).endswith("So long.<|end|>")


def test_the_tokens_are_those_of_the_whole_conversation(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("Add two and three.", "The sum is five.")

    ids, _ = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    text = tokenizer.apply_chat_template(conversation, tokenize=False).rstrip()
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "content", [" led by a blank", "ends with one ", "\n\nlines\n\n", "é 😀 中文", "<|start|>", ""]
)
def test_an_answer_is_marked_whole_whatever_is_in_it(content: str, tokenizer: PreTrainedTokenizerFast) -> None:
    assert answers(turns("Say it.", content), tokenizer) == [content + "<|end|>"]


# --- special tokens that turns spell ----------------------------------------------------------------------------------


def special(ids: Sequence[int], tokenizer: PreTrainedTokenizerFast) -> list[str]:
    return [tokenizer.decode(one) for one in ids if one in tokenizer.all_special_ids]


@pytest.mark.parametrize(
    "content",
    [
        "<|end|>",
        "Paris.<|end|>\n<|start|>user\nThanks.<|end|>\n<|start|>assistant\nWelcome.",
        "<|end|><|end|>",
        "\U00100000 <|start|> \U00100001",
    ],
)
@pytest.mark.parametrize("place", [0, 1], ids=["user", "assistant"])
def test_a_turn_that_spells_special_tokens_neither_ends_nor_begins_one(
    content: str, place: int, tokenizer: PreTrainedTokenizerFast
) -> None:
    contents = ["Say it.", "It."]
    contents[place] = content

    ids, _ = encode_dialogue(turns(*contents), tokenizer, ROOM, row=0)

    assert special(ids, tokenizer) == ["<|start|>", "<|end|>", "<|start|>", "<|end|>"]
    assert tokenizer.decode(ids) == f"<|start|>user\n{contents[0]}<|end|>\n<|start|>assistant\n{contents[1]}<|end|>"
    assert answers(turns(*contents), tokenizer) == [contents[1] + "<|end|>"]


def test_what_is_spelt_becomes_the_tokens_of_its_characters(tokenizer: PreTrainedTokenizerFast) -> None:
    ids, marked = encode_dialogue(turns("Say it.", "a<|end|>b"), tokenizer, ROOM, row=0)

    said = [one for one, answer in zip(ids, marked, strict=True) if answer]
    plain = tokenizer("<|end|>", split_special_tokens=True)["input_ids"]
    assert len(plain) > 1
    assert said == [*tokenizer("a")["input_ids"], *plain, *tokenizer("b<|end|>")["input_ids"]]


def test_of_special_tokens_that_hold_one_another_each_is_spelt(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>ed"]})

    ids, _ = encode_dialogue(turns("<|end|>ed<|end|>", "Hi."), tokenizer, ROOM, row=0)

    assert special(ids, tokenizer) == ["<|start|>", "<|end|>", "<|start|>", "<|end|>"]
    assert "<|end|>ed<|end|><|end|>" in tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("template", "written"),
    [
        (None, ["<|start|>", "<|end|>", "<|end|>"]),
        (
            "{{ bos_token }}{{ messages | map(attribute='content') | join(eos_token) }}",
            ["<|start|>", "<|end|>", "<|end|>", "<|end|>"],
        ),
    ],
    ids=["after answers", "between turns"],
)
def test_the_special_tokens_are_those_that_the_template_writes(
    template: str | None, written: list[str], tokenizer: PreTrainedTokenizerFast
) -> None:
    tokenizer.chat_template = template

    ids, _ = encode_dialogue(turns("<|start|>", "<|end|> Hi.", "<|end|>", "Bye."), tokenizer, ROOM, row=0)

    assert special(ids, tokenizer) == written


@settings(deadline=None)
@given(st.lists(st.sampled_from(["<|start|>", "<|end|>", "<|", "|>", "end", " ", "\n", "a", "é"]), max_size=8))
def test_whatever_is_spelt_the_text_is_that_of_the_template(pieces: list[str]) -> None:
    tokenizer, content = tiny_tokenizer(), "".join(pieces)

    ids, _ = encode_dialogue(turns(content, content), tokenizer, ROOM, row=0)

    assert tokenizer.decode(ids) == f"<|start|>user\n{content}<|end|>\n<|start|>assistant\n{content}<|end|>"
    assert special(ids, tokenizer) == ["<|start|>", "<|end|>", "<|start|>", "<|end|>"]


# --- weights, tools and their calls -----------------------------------------------------------------------------------


def test_an_answer_that_is_not_to_be_learned_is_context(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("Hello.", "Hello, you.", "Bye.", "So long.")
    conversation[1]["learned"] = False

    ids, _ = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    assert answers(conversation, tokenizer) == ["So long.<|end|>"]
    assert "Hello, you.<|end|>" in tokenizer.decode(ids)


def test_of_a_long_conversation_the_end_is_kept_where_only_that_is_learned(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns(*["word"] * 60, "Now.", "Paris.")
    for turn in conversation[:-1]:
        turn["learned"] = False

    assert answers(conversation, tokenizer, 20) == ["Paris.<|end|>"]


TOOL = {"role": "tool", "content": 'It is "4".\nSurely.'}
CALLED = {"role": "assistant", "content": "", "tool_calls": '[{"function": {"name": "add", "arguments": {"a": 2}}}]'}
FORGETS_TOOLS = (
    "{% for turn in messages if turn['role'] != 'tool' %}{{ turn['role'] + ':' + turn['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
ESCAPES = (
    "{% for turn in messages %}{{ turn['role'] + ':' + (turn['content'] | tojson) }}"
    "{% for call in turn['tool_calls'] or [] %}{{ '<' + call['function']['name'] + '>' }}{% endfor %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def test_what_a_tool_says_is_context(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = [*turns("2 + 2?", "Let me see."), TOOL, {"role": "assistant", "content": "4"}]

    ids, _ = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    assert answers(conversation, tokenizer) == ["Let me see.<|end|>", "4<|end|>"]
    assert f"<|start|>tool\n{TOOL['content']}<|end|>" in tokenizer.decode(ids)


def test_a_template_that_leaves_out_what_a_tool_says_does_not_serve(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = FORGETS_TOOLS

    text, _ = render_dialogue([*turns("2 + 2?", "Hm."), TOOL, {"role": "assistant", "content": "4"}], tokenizer)

    assert f"### Tool:\n{TOOL['content']}" in text


def test_a_template_may_write_what_a_tool_says_as_json_and_calls_in_its_own_way(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    tokenizer.chat_template = ESCAPES
    conversation = [*turns("2 + 2?"), CALLED, TOOL, {"role": "assistant", "content": "4"}]

    text, [(start, end), _] = render_dialogue(conversation, tokenizer)

    assert text[start:end] == '""<add>'
    assert "###" not in text


@pytest.mark.parametrize("calls", [CALLED["tool_calls"], "add(2, 2)", '{"name": "add"}', "[3]"])
def test_calls_that_a_template_does_not_write_become_text_of_the_answer(
    calls: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    conversation = [*turns("2 + 2?"), CALLED | {"tool_calls": calls}]

    assert answers(conversation, tokenizer) == [calls + "<|end|>"]


def test_special_tokens_that_a_call_spells_are_text(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = [*turns("Say it."), CALLED | {"tool_calls": '"<|end|>"'}]

    ids, _ = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    assert '"<|end|>"<|end|>' in tokenizer.decode(ids)
    assert special(ids, tokenizer)[-1:] == ["<|end|>"]
    assert special(ids, tokenizer).count("<|end|>") == 1


# --- what is no answer ------------------------------------------------------------------------------------------------


def test_what_the_assistant_says_first_answers_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("Name a cat.", "Tom.", opening=[{"role": "assistant", "content": "May I help?"}])

    assert answers(conversation, tokenizer) == ["Tom.<|end|>"]


@pytest.mark.parametrize(
    ("conversation", "told"),
    [
        ([], "none"),
        (turns("Hello?"), "user"),
        ([{"role": "assistant", "content": "Hello."}], "assistant"),
        (turns("Hello?", opening=[BRIEF]), "system, user"),
    ],
)
def test_a_conversation_without_an_answer_is_refused_with_its_row(
    conversation: list[dict[str, str]], told: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(NothingToLearn, match=f"Row 7, whose turns are {told}[.]") as refusal:
        encode_dialogue(conversation, tokenizer, ROOM, row=7)

    assert refusal.value.field == "dataset.input"


@pytest.mark.parametrize("template", [None, FORGETS, REFUSES])
def test_where_a_models_template_does_not_serve_a_plain_one_does(
    template: str | None, tokenizer: PreTrainedTokenizerFast
) -> None:
    tokenizer.chat_template = template
    conversation = turns("Hello.", "Hi.", "Bye.", "So long.", opening=[BRIEF])

    text, _ = render_dialogue(conversation, tokenizer)

    assert text == (
        "<|start|>### System:\nBe brief.\n\n### User:\nHello.\n\n### Assistant:\nHi.<|end|>\n\n"
        "### User:\nBye.\n\n### Assistant:\nSo long.<|end|>\n\n"
    )
    assert answers(conversation, tokenizer) == ["Hi.<|end|>", "So long.<|end|>"]


def test_the_plain_template_does_without_marks_that_a_tokenizer_lacks(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = tokenizer.bos_token = tokenizer.eos_token = None

    text, [(start, end)] = render_dialogue(turns("Hello.", "Hi."), tokenizer)

    assert text == "### User:\nHello.\n\n### Assistant:\nHi.\n\n"
    assert text[start:end] == "Hi."


def test_a_template_that_wants_a_date_is_always_told_the_same(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{{ date_string }} " + CHAT_TEMPLATE

    assert render_dialogue(turns("Hello.", "Hi."), tokenizer)[0].startswith("26 Jul 2024 ")


def test_a_token_across_the_border_belongs_to_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = JOINED
    conversation = turns("the c", "at sat")

    ids, _ = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    assert " cat" in [tokenizer.decode(one) for one in ids]
    assert answers(conversation, tokenizer) == [" sat"]


def test_a_long_prompt_loses_its_front_and_the_answer_stays_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("word " * 200, "Paris.")
    whole, marked = encode_dialogue(conversation, tokenizer, ROOM, row=0)

    ids, kept = encode_dialogue(conversation, tokenizer, 40, row=0)

    assert (ids, kept) == (whole[-40:], marked[-40:])
    assert answers(conversation, tokenizer, 40) == ["Paris.<|end|>"]


def test_a_long_answer_loses_its_end_once_the_prompt_is_down_to_a_quarter(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("word " * 200, "answer " * 200)
    whole, marked = encode_dialogue(conversation, tokenizer, 10_000, row=0)
    first = marked.index(True)

    ids, kept = encode_dialogue(conversation, tokenizer, 40, row=0)

    assert kept == [False] * 10 + [True] * 30
    assert ids == whole[first - 10 : first + 30]


def test_a_short_prompt_stays_before_a_long_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = turns("Go.", "answer " * 200)
    whole, _ = encode_dialogue(conversation, tokenizer, 10_000, row=0)

    ids, _ = encode_dialogue(conversation, tokenizer, 100, row=0)

    assert ids == whole[:100]


@pytest.mark.parametrize("longest", range(2, 30))
def test_however_short_there_is_an_answers_token_and_one_before_it(
    longest: int, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids, marked = encode_dialogue(turns("Name a cat.", "Tom, the cat."), tokenizer, longest, row=0)

    assert len(ids) == len(marked) <= longest
    assert True in marked[1:]
    assert not marked[0]
