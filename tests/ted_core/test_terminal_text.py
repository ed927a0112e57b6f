"""What a dataset's or a job's author has put into a name stays text on the terminal."""

from io import StringIO

import pytest
from rich.console import Console

from ted_core.terminal_text import literal


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\rb", "\x9b2J", "[bold]big[/bold]"])
def test_control_sequences_and_markup_are_made_harmless(name: str) -> None:
    screen = StringIO()

    Console(file=screen, force_terminal=True, color_system="truecolor").print(literal(name), highlight=False)

    assert screen.getvalue().rstrip("\n").isprintable()


def test_line_breaks_and_letters_of_all_languages_are_kept() -> None:
    assert literal("größer\n数字 ≥ 3") == "größer\n数字 ≥ 3"
