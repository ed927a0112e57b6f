"""What commands print stays as somebody else wrote it."""

import io

import pytest
from rich.console import Console

from ted_cli.checkup import findings_table
from ted_cli.terminal import print_text, record_table

HOSTILE = ["[bold]big", "a[/x]b", "/data/[2026]/train", "\x1b[31mred"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_printed_as_it_is(text: str) -> None:
    screen = Console(file=io.StringIO(), width=20)

    print_text(f"TED is ready (data in {text}; Ctrl-C stops it)", console=screen)

    assert printed_on(screen) == f"TED is ready (data in {visible(text)}; Ctrl-C stops it)\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_show_every_field_as_it_is(text: str) -> None:
    screen = Console(file=io.StringIO(), width=200)
    finding = {"subject": text, "verdict": "problem", "fact": text, "remedy": text}

    screen.print(findings_table([finding]))
    screen.print(record_table([{"name": text, "columns": [text]}], ("name", "columns")))

    assert printed_on(screen).count(visible(text)) == 5


def printed_on(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def visible(text: str) -> str:
    return text.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
