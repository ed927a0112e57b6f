"""Special tokens that turns spell out themselves are words like any other: what somebody writes must not end a turn.

A tokenizer takes ``<|im_end|>`` for the end of a turn wherever it stands. So while the chat template writes out a
conversation, what turns spell is replaced by as many characters of private use. Afterwards these tell which special
tokens of the text are not the template's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase

PRIVATE = range(0x100000, 0x10FFFE)
"""Unicode's supplementary private use area B."""

Turn = dict[str, Any]
"""``role`` (system, user, assistant or tool) and ``content``; perhaps ``learned`` and ``tool_calls``, as ``Dialogues``
has them."""
SPELT = ("content", "tool_calls")
"""What of a turn the template writes."""
Token = tuple[int, int]
"""A token's id, and where in the text it starts."""


@dataclass(frozen=True)
class SpecialTokenEscape:
    """The characters, unused in a conversation, that replace the special tokens which it spells."""

    characters: Mapping[str, str]
    """Token → the character that is repeated in its place; longer tokens first, as one may hold another."""

    @classmethod
    def of(cls, turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> "SpecialTokenEscape":
        """The replacements that this conversation needs; seldom any."""
        contents = "\n".join(turn.get(field) or "" for turn in turns for field in SPELT)
        spelt = [token for token in _special(tokenizer) if token in contents]
        unused = (chr(code) for code in PRIVATE if chr(code) not in contents)
        return cls(dict(zip(spelt, unused, strict=False)))

    def escape(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """Replace the special tokens that the turns spell; every position stays the same."""
        return [turn | {field: self._hidden(turn[field]) for field in SPELT if turn.get(field)} for turn in turns]

    def _hidden(self, content: str) -> str:
        for token, character in self.characters.items():
            content = content.replace(token, character * len(token))
        return content

    def _shown(self, text: str) -> str:
        for token, character in self.characters.items():
            text = text.replace(character * len(token), token)
        return text

    def tokenize(self, text: str, tokenizer: PreTrainedTokenizerBase) -> Iterator[Token]:
        """Tokenize an escaped text as if it were not; only what the template wrote becomes special tokens."""
        shown, hidden = self._shown(text), set(self.characters.values())
        special = {tokenizer.convert_tokens_to_ids(token) for token in self.characters}
        for token, start, end in _encoded(shown, tokenizer):
            if token in special and hidden.intersection(text[start:end]):
                spelt = _encoded(shown[start:end], tokenizer, split_special_tokens=True)
                yield from ((part, start + place) for part, place, _ in spelt)
            else:
                yield token, start


def _encoded(text: str, tokenizer: PreTrainedTokenizerBase, **options: bool) -> Iterator[tuple[int, int, int]]:
    """Each token's id, its start and its end."""
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False, **options)
    return ((token, *span) for token, span in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True))


@lru_cache(maxsize=1)
def _special(tokenizer: PreTrainedTokenizerBase) -> Sequence[str]:
    """The tokenizer's special tokens, longer ones first."""
    names = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted(names - {""}, key=lambda name: (-len(name), name))
