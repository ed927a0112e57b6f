"""What a dataset's or a job's author has put into a name stays text on the terminal."""

from io import StringIO

import pytest
from rich.console import Console

from ted_client.printable import literal


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\rb", "\x9b2J", "[bold]big[/bold]"])
def test_nothing_in_a_name_commands_the_terminal(name: str) -> None:
    screen = StringIO()

    Console(file=screen, force_terminal=True, color_system="truecolor").print(literal(name), highlight=False)

    assert screen.getvalue().rstrip("\n").isprintable()


def test_lines_and_signs_of_all_languages_stay() -> None:
    assert literal("größer\n数字 ≥ 3") == "größer\n数字 ≥ 3"
