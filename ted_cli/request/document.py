"""A job in a file, as JSON or YAML."""

import json
import re
import sys
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ted_client.errors import ClientError

if TYPE_CHECKING:
    from yaml import Loader, MappingNode

STANDARD_INPUT = "-"
YAML_SUFFIXES = (".yaml", ".yml")
BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
INT = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
FLOAT = re.compile(r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+)$")
SCALARS = {
    "bool": (BOOL, "tTfF"),
    "null": (NULL, ["~", "n", "N", ""]),
    "int": (INT, "-+0123456789"),
    "float": (FLOAT, "-+0123456789."),
}
"""YAML 1.2's core schema, without integers that begin with 0. PyYAML knows 1.1, in which no is false, 1e-3 is a text
and 012 is ten."""


class RepeatedField(ValueError):
    """The same field stands there twice."""


def read_document(path: Path | None) -> dict[str, Any]:
    """Return the job in the file (``-``: standard input); empty without one. Raise ClientError."""
    if path is None:
        return {}
    try:
        text = sys.stdin.read() if str(path) == STANDARD_INPUT else path.read_text(encoding="utf-8")
        document = _parser(path, text)(text)
    except (OSError, ValueError) as error:
        raise ClientError(f"{path} is not a readable job file ({error}).") from error
    if not isinstance(document, dict):
        raise ClientError(f"{path} must hold one job: an object with dataset, proxy and plan.")
    return document


def _parser(path: Path, text: str) -> Callable[[str], Any]:
    is_yaml = path.suffix.lower() in YAML_SUFFIXES or not text.lstrip().startswith(("{", "["))
    return _from_yaml if is_yaml else _from_json


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_repetitions)


def _without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise RepeatedField(f"{_repeated([name for name, _ in pairs])!r} stands there twice")
    return values


def _repeated(names: list[Any]) -> Any:
    return next(name for name in names if names.count(name) > 1)


def _from_yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - only for such files

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 # nosec B506
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _loader() -> "type[Loader]":
    import yaml  # noqa: PLC0415 - only for such files

    class PlainLoader(yaml.SafeLoader):
        """Loads numbers, texts, true, false and null, in lists and mappings without repetitions."""

        def construct_mapping(self, node: "MappingNode", deep: bool = False) -> dict[Hashable, Any]:
            """Return the mapping. Raise RepeatedField."""
            names = [key.value for key, _ in node.value]
            if len({*names}) < len(names):
                raise RepeatedField(f"{_repeated(names)!r} stands there twice")
            return super().construct_mapping(node, deep)

    PlainLoader.yaml_implicit_resolvers = {}
    for name, (pattern, first) in SCALARS.items():
        PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", pattern, list(first))
    return PlainLoader  # type: ignore[return-value]
