"""Report benchmarks that have bars to hold: tables, whether each bar holds, and the numbers as JSON."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table


def options(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that these benchmarks share."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser


def report(table: Table, bars: Mapping[str, bool], numbers: object, path: Path | None) -> bool:
    """Print the table and the bars, write the numbers if there is a path, and return whether all bars hold."""
    console = Console()
    console.print(table)
    for bar, holds in bars.items():
        console.print(mark(holds), bar, soft_wrap=True)
    write_json(numbers, path)
    return all(bars.values())


def mark(holds: bool) -> str:
    """Return what is printed before a bar."""
    return "[green]holds[/]" if holds else "[red]missed[/]"


def write_json(numbers: object, path: Path | None) -> None:
    """Write the numbers as indented JSON; do nothing without a path."""
    if path:
        path.write_text(json.dumps(numbers, indent=2) + "\n")
