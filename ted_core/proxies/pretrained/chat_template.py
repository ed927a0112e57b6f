"""Conversations → tokens, and which of them are the answers that a language model is to learn.

A conversation is written out by the chat template that comes with the model's tokenizer. What the template adds for a
turn of the assistant is that turn's answer: its content and whatever ends the turn. A turn of the assistant that opens
the conversation answers nothing, and is not learned.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from ted_core.errors import NothingToLearn
from ted_core.proxies.pretrained.special_tokens import SpecialTokenEscape, Turn

PLAIN_TEMPLATE = (
    "{{ bos_token }}"
    "{% for turn in messages %}"
    "{{ '### ' + turn['role'] | capitalize + ':\n' + turn['content'] }}"
    "{{ eos_token if turn['role'] == 'assistant' }}"
    "{{ '\n\n' }}"
    "{% endfor %}"
    "{{ '### Assistant:\n' if add_generation_prompt }}"
)
"""For a model without a chat template, and for a conversation that its template refuses or writes out differently as
more turns follow."""
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


def encode_dialogue(
    turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase, longest: int, *, row: int
) -> tuple[list[int], list[bool]]:
    """A conversation's token ids, at most ``longest``, and for each whether it belongs to an answer.

    What ends an answer's turn belongs to it, white space after that does not; what follows the last answer is left
    out. Special tokens are the chat template's; if a turn spells one, it is text. A conversation that is too long
    loses the front of its prompt, down to a quarter of the length, and then its end. Raises NothingToLearn, with the
    row, if there is no answer.
    """
    escape = SpecialTokenEscape.of(turns, tokenizer)
    text, spans = render_dialogue(escape.escape(turns), tokenizer)
    tokens = list(escape.tokenize(text, tokenizer))
    answers = _inside([start for _, start in tokens], spans)
    if not any(answers):
        roles = ", ".join(turn["role"] for turn in turns) or "none"
        raise NothingToLearn(f"Row {row}, whose turns are {roles}", field="dataset.input")
    kept = _kept(answers, longest)
    return [token for token, _ in tokens[kept]], answers[kept]


def render_dialogue(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[CharacterSpan]]:
    """The conversation as one text, and where in it the answers are."""
    render = partial(_rendered, tokenizer)
    if tokenizer.chat_template:
        with suppress(TemplateError, _Rewritten):
            return _written(turns, render)
    return _written(turns, partial(render, chat_template=PLAIN_TEMPLATE))


def _rendered(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], **options: Any) -> str:
    return str(tokenizer.apply_chat_template(list(turns), tokenize=False, date_string=DATE, **options))


def _written(turns: Sequence[Turn], render: Render) -> tuple[str, list[CharacterSpan]]:
    growing = list(_growing(turns, render))
    if not all(longer.startswith(shorter) for shorter, longer in pairwise(growing)):
        raise _Rewritten
    starts = [len(prompt) for prompt in growing[:-1:2]]
    ends = [len(text.rstrip()) for text in growing[1::2]]
    return growing[-1], list(zip(starts, ends, strict=True))


def _growing(turns: Sequence[Turn], render: Render) -> Iterator[str]:
    """For every answer the text up to where it starts, and up to where it ends; then the whole text."""
    for place, turn in enumerate(turns):
        if turn["role"] == "assistant" and place:
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
