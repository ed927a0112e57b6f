"""A chat template is a program of somebody else's: it cannot leave its sandbox, and is stopped in time."""

import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ted_core.datasets.samples import Dialogues
from ted_core.errors import TedError, UnknownModel
from ted_core.proxies.pretrained import template_limits
from ted_core.proxies.pretrained.chat_template import encode_dialogue, render_dialogue
from ted_core.proxies.pretrained.tokenization import tokenize
from tests.ted_core import examples
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model, tiny_tokenizer

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}" + (
    "{% endfor %}{% endfor %}"
)
FIBONACCI = "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
TOO_COSTLY = {
    "loops": (ENDLESS, "more than 0.5 s"),
    "calls": (FIBONACCI, "more than 0.5 s"),
    "a long text": ("{{ ('a' * 10**5).replace('a', 'b' * 10**5) }}", "more than 1024 MiB"),
    "a padded text": ("{{ 'a' | center(4000000000) }}", "more than 1024 MiB"),
    "a long list": ("{{ ([0] * 10**9) | length }}", "more than 1024 MiB"),
    "much output": ("{% for a in range(20000) %}{{ 'abcdefgh' * 200 }}{% endfor %}", "writes 32,000,000 characters"),
}
FAILING = {
    "recursion": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "a long range": "{% for a in range(10**9) %}{% endfor %}",
    "a file": "{% include '/etc/hostname' %}",
    "a module": "{% import 'os' as os %}{{ os.getcwd() }}",
    "arithmetic": "{{ 1 / 0 }}",
    "many blocks": "{% for a in 'a' %}" * 60 + "{% endfor %}" * 60,
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch {sprung}') }}",
    "a format": "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
    "a change of the turns": "{{ messages.pop() }}",
}


@pytest.mark.parametrize("case", TOO_COSTLY)
def test_a_template_that_takes_too_much_is_an_error_of_the_model(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_limits, "SECONDS", 0.5)
    template, says = TOO_COSTLY[case]
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template

    with pytest.raises(UnknownModel, match=says) as refusal:
        render_dialogue(TURNS, tokenizer)

    assert refusal.value.field == "proxy.model"
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


@pytest.mark.parametrize("case", FAILING)
def test_a_template_that_fails_is_replaced_by_the_plain_one_and_reaches_nothing(case: str, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = FAILING[case].replace("{sprung}", str(tmp_path / "sprung"))

    text, _ = render_dialogue(TURNS, tokenizer)

    assert text.endswith("### User:\nHi\n\n### Assistant:\nHo<|end|>\n\n")
    assert not (tmp_path / "sprung").exists()


def test_a_folder_with_a_hostile_template_ends_a_job_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_limits, "SECONDS", 0.5)
    model = tiny_language_model(tmp_path / "model")
    (model / "chat_template.jinja").write_text(ENDLESS)
    samples = examples.samples(Dialogues(pa.chunked_array([pa.array([TURNS] * 3)])), np.zeros(3, int))

    with pytest.raises(TedError, match=r"The chat template takes more than 0\.5 s for one conversation"):
        tokenize(samples, model)


def test_an_endless_conversation_is_read_as_far_as_it_is_kept() -> None:
    turns = [{"role": role, "content": "Say it."} for _ in range(3000) for role in ("user", "assistant")]
    start = time.process_time()

    ids, answers = encode_dialogue(turns, tiny_tokenizer(), 50, row=0)

    assert (ids, answers) == encode_dialogue(turns[:60], tiny_tokenizer(), 50, row=0)
    assert time.process_time() - start < 5
