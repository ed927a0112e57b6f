"""No regular expression that meets a stranger's text takes time that grows faster than the text.

Those of pydantic's fields and of Arrow are left out: their engines (Rust's regex, RE2) do not backtrack.
"""

import ast
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest

from ted_core.errors import DatasetTooLarge
from ted_jobs.api_keys.commands import TENANT
from tests.test_architecture import ROOT, modules

PACKAGES = ("ted_core", "ted_jobs", "ted_client", "ted_cli", "worker")
LENGTH, MOST_SECONDS = 64 << 10, 0.05
INSIDE_FUNCTIONS: Mapping[str, re.Pattern[str]] = {
    "ted_client/download.py": re.compile(re.escape("a" * 200) + r"\.([0-9a-f]{64})\.partial"),
    "ted_core/errors.py": re.compile(r"(?<!^)(?=[A-Z])"),
    "ted_jobs/api_keys/commands.py": re.compile(TENANT),
}
"""Modules that build or use an expression when they are called, and that expression."""
USES = {"compile", "match", "fullmatch", "search", "split", "sub", "subn", "findall", "finditer"}
MOST_LETTERS = 2
ENDINGS = ("", "!")


def expressions() -> dict[str, re.Pattern[str]]:
    """Every expression that a module of the packages holds, by its place."""
    found = {}
    for name in modules(*PACKAGES):
        module = import_module(name)
        found |= {f"{name}.{key}": value for key, value in vars(module).items() if isinstance(value, re.Pattern)}
    return found


def test_expressions_inside_functions_are_those_that_are_timed_here() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]

    assert {str(path.relative_to(ROOT)) for path in paths if uses_inside_functions(path)} == set(INSIDE_FUNCTIONS)
    assert len(DatasetTooLarge.code()) > 1


def uses_inside_functions(path: Path) -> bool:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    calls = [node.func for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(
        isinstance(call, ast.Attribute)
        and isinstance(call.value, ast.Name)
        and (call.value.id, call.attr in USES) == ("re", True)
        for call in calls
    )


def test_no_expression_takes_long_for_any_text() -> None:
    found, sources = expressions() | dict(INSIDE_FUNCTIONS), source_text()

    worst = {place: slowest(pattern, uses(place, pattern, sources)) for place, pattern in found.items()}

    assert "ted_core.datasets.formats.webdataset.NAME" in worst
    assert {place: slow for place, slow in worst.items() if slow[0] > MOST_SECONDS} == {}


def source_text() -> str:
    return "\n".join(path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def uses(place: str, pattern: re.Pattern[str], sources: str) -> list[Callable[[str], object]]:
    """How the modules use the expression: on a whole text, and perhaps anywhere in it."""
    name = place.rpartition(".")[2]
    searched = any(f"{name}.{use}" in sources for use in ("search", "sub", "split", "find"))
    return [pattern.fullmatch, *([pattern.search] if searched else [])]


def slowest(pattern: re.Pattern[str], usual: Sequence[Callable[[str], object]]) -> tuple[float, str]:
    """The seconds that the worst text takes, and how it begins."""
    return max((max(seconds(use, text) for use in usual), text[:20]) for text in texts(pattern))


def seconds(use: Callable[[str], object], text: str) -> float:
    """Of this thread's processor time; a long time is taken again."""
    spent = time_of(use, text)
    return spent if spent < MOST_SECONDS else time_of(use, text)


def time_of(use: Callable[[str], object], text: str) -> float:
    start = time.thread_time()
    use(text)
    return time.thread_time() - start


def texts(pattern: re.Pattern[str]) -> Iterator[str]:
    """Long repetitions of one and two letters that the expression knows, each with endings that it may not like."""
    literal = re.sub(r"\\[A-Za-z]|[\[\](){}^$|?+\\]", "", pattern.pattern)
    letters = [*dict.fromkeys([*literal[:MOST_LETTERS], "0", "a", "/"])]
    words = re.findall(r"[A-Za-z0-9_=:-]{3,}", pattern.pattern)[:MOST_LETTERS]
    units = [*letters, *words, *("".join(pair) for pair in product(letters, repeat=2))]
    for unit, ending in product(units, ENDINGS):
        yield (unit * (LENGTH // len(unit)))[: LENGTH - len(ending)] + ending


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|a)*b"])
def test_the_test_would_notice_an_expression_that_backtracks(expression: str) -> None:
    start = time.thread_time()

    re.compile(expression).fullmatch("a" * 24)

    assert time.thread_time() - start > MOST_SECONDS
