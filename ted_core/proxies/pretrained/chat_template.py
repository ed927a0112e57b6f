"""Conversations → tokens, and which of them are the answers that a language model is to learn.

A conversation is written out by the chat template that comes with the model's tokenizer. What the template adds for a
turn of the assistant is that turn's answer: its content and whatever ends the turn. A turn of the assistant that opens
the conversation answers nothing, and is not learned; nor is one that the dataset says is only context.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from ted_core.errors import NothingToLearn, TedError
from ted_core.proxies.pretrained.special_tokens import SpecialTokenEscape, Turn
from ted_core.proxies.pretrained.template_limits import check_length, limited_template

PLAIN_TEMPLATE = (
    "{{ bos_token }}"
    "{% for turn in messages %}"
    "{{ '### ' + turn['role'] | capitalize + ':\n' + turn['content'] }}"
    "{{ eos_token if turn['role'] == 'assistant' }}"
    "{{ '\n\n' }}"
    "{% endfor %}"
    "{{ '### Assistant:\n' if add_generation_prompt }}"
)
"""For a model without a chat template, and for a conversation that its template refuses, leaves a turn out of (often a
tool's), or writes out differently as more turns follow."""
LEAST_PROMPT = 4
"""The divisor of the length: what a conversation that is too long keeps of the prompt before its first answer."""
DATE = "26 Jul 2024"
"""Templates in the manner of Llama 3 write today's date if none is given; equal conversations are to give equal
tokens on any day."""

CharacterSpan = tuple[int, int]
"""An answer's place in the text: its first character, and the one after its last."""
Render = Callable[..., str]


class _Rewritten(Exception):
    """The template changes what it has written as more turns follow."""


class _LeftOut(Exception):
    """The template does not write out all turns."""


def encode_dialogue(
    turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase, longest: int, *, row: int
) -> tuple[list[int], list[bool]]:
    """A conversation's token ids, at most ``longest``, and for each whether it belongs to an answer.

    What ends an answer's turn belongs to it, white space after that does not; what follows the last answer is left
    out. Special tokens are the chat template's; if a turn spells one, it is text. A conversation that is too long
    loses the front of its prompt, down to a quarter of the length, and then its end. Raises NothingToLearn, with the
    row, if there is no answer.
    """
    turns = _relevant(turns, longest)
    escape = SpecialTokenEscape.of(turns, tokenizer)
    text, spans = render_dialogue(escape.escape(turns), tokenizer)
    tokens = list(escape.tokenize(text, tokenizer))
    answers = _inside([start for _, start in tokens], spans)
    if not any(answers):
        roles = ", ".join(turn["role"] for turn in turns) or "none"
        raise NothingToLearn(f"Row {row}, whose turns are {roles}", field="dataset.input")
    kept = _kept(answers, longest)
    return [token for token, _ in tokens[kept]], answers[kept]


def _relevant(turns: Sequence[Turn], longest: int) -> Sequence[Turn]:
    """The turns up to the first answer, and as many as there may be tokens: what follows would be cut off anyway."""
    first = next((place for place in range(len(turns)) if _is_learned(turns, place)), len(turns))
    return turns[: first + 1 + longest]


def _is_learned(turns: Sequence[Turn], place: int) -> bool:
    """Whether the turn at this place is an answer that is to be learned."""
    turn = turns[place]
    return place > 0 and turn["role"] == "assistant" and turn.get("learned", True)


def render_dialogue(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[CharacterSpan]]:
    """The conversation as one text, and where in it the answers are.

    Raises UnknownModel if the model's template takes more time, memory or characters than any would.
    """
    with limited_template():
        return _by_own_template(turns, tokenizer) or _written(turns, partial(_plain, tokenizer))


def _by_own_template(
    turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase
) -> tuple[str, list[CharacterSpan]] | None:
    """What the model's template makes of the conversation; None without one, or if it fails in whatever way."""
    try:
        return _whole(turns, tokenizer) if tokenizer.chat_template else None
    except (TedError, MemoryError):
        raise
    except Exception:  # it is a program of somebody else's
        return None


def _whole(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[CharacterSpan]]:
    text, spans = _written(turns, partial(_templated, tokenizer))
    shown = _without_space(text)
    if not all(_is_shown(said, shown) for turn in turns for said in (turn["content"], *_called(turn))):
        raise _LeftOut
    return text, spans


def _is_shown(said: str, shown: str) -> bool:
    """Whether the text without space holds what is said, as it is or as a string of JSON."""
    return any(_without_space(form) in shown for form in (said, json.dumps(said, ensure_ascii=False)[1:-1]))


def _without_space(text: str) -> str:
    """Templates trim what turns say."""
    return "".join(text.split())


def _templated(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], **options: Any) -> str:
    return _rendered(tokenizer, turns, [_message(turn) for turn in turns], **options)


def _plain(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], **options: Any) -> str:
    """With what a turn calls written as JSON after what it says."""
    contents = ["\n".join(filter(None, (turn["content"], turn.get("tool_calls")))) for turn in turns]
    messages = [{"role": turn["role"], "content": said} for turn, said in zip(turns, contents, strict=True)]
    return _rendered(tokenizer, turns, messages, chat_template=PLAIN_TEMPLATE, **options)


def _rendered(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], messages: list[dict[str, Any]], **options: Any
) -> str:
    text = tokenizer.apply_chat_template(messages, tokenize=False, date_string=DATE, **options)
    return check_length(
        str(text), characters=sum(len(turn["content"] + (turn.get("tool_calls") or "")) for turn in turns)
    )


def _message(turn: Turn) -> dict[str, Any]:
    """The turn as chat templates take it."""
    message = {"role": turn["role"], "content": turn["content"]}
    return message | {"tool_calls": calls} if (calls := _calls(turn)) else message


def _calls(turn: Turn) -> list[dict[str, Any]]:
    """The tools that the turn calls, as chat templates take them. Raises ValueError if they are none."""
    if not turn.get("tool_calls"):
        return []
    stated = json.loads(turn["tool_calls"])
    calls = stated if isinstance(stated, list) else [{"type": "function", "function": stated}]
    if not all(isinstance(call, dict) for call in calls):
        raise ValueError("calls are objects")
    return calls


def _called(turn: Turn) -> Iterator[str]:
    """The names of the functions that the turn calls."""
    for call in _calls(turn):
        function = call.get("function", call)
        yield str(function["name"])


def _written(turns: Sequence[Turn], render: Render) -> tuple[str, list[CharacterSpan]]:
    text = ""
    lengths, stripped = list[int](), list[int]()
    for longer in _growing(turns, render):
        if not longer.startswith(text):
            raise _Rewritten
        text = longer
        lengths.append(len(text))
        stripped.append(len(text.rstrip()))
    return text, list(zip(lengths[:-1:2], stripped[1::2], strict=True))


def _growing(turns: Sequence[Turn], render: Render) -> Iterator[str]:
    """For every answer the text up to where it starts, and up to where it ends; then the whole text."""
    for place in range(len(turns)):
        if _is_learned(turns, place):
            yield render(turns[:place], add_generation_prompt=True)
            yield render(turns[: place + 1])
    yield render(turns) if turns else ""


def _inside(starts: Sequence[int], spans: Sequence[CharacterSpan]) -> list[bool]:
    """For each token whether it starts within a span. The first token never does: nothing foretells it."""
    bounds = [*chain.from_iterable((start, max(start, end)) for start, end in spans)]
    inside = np.searchsorted(bounds, starts, side="right") % 2 == 1
    inside[:1] = False
    return [bool(flag) for flag in inside]


def _kept(answers: Sequence[bool], longest: int) -> slice:
    """The places that remain, up to the last answer's at most."""
    first, end = answers.index(True), len(answers) - answers[::-1].index(True)
    start = min(max(end - longest, 0), max(first - max(longest // LEAST_PROMPT, 1), 0))
    return slice(start, min(start + longest, end))
