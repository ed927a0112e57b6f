"""What a dataset was taken for, on a terminal: little enough to be read, and enough to see that it is wrong."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table

from ted_client.flow import JsonObject
from ted_core.terminal_text import literal, printable

MOST_FILES, MOST_REASONS, MOST_INPUTS, MOST_CLASSES, MOST_VALUES = 3, 5, 12, 10, 8
LONGEST_NAME, LONGEST_VALUE = 40, 150
LABEL = "label"
LINE_BREAK, EMPTY = "↵", "''"
TableRow = tuple[str, RenderableType]


def understood_rows(understood: JsonObject) -> Iterator[TableRow]:
    """Yield a name and what to show beside it for each thing that was understood; what there is not is left out."""
    yield "format", literal(understood["format"])
    yield "files", _names(understood["files"], understood["file_count"], most=MOST_FILES)
    if understood["passed_over"]:
        yield "passed over", _reasons(understood["passed_over"], understood["passed_over_count"])
    if understood["inputs"]:
        yield "inputs", _names(understood["inputs"], understood["input_count"], most=MOST_INPUTS)
    if understood["left_out"]:
        yield "left out", _reasons(understood["left_out"], understood["left_out_count"])
    if understood["targets"]:
        yield "target", _names(understood["targets"], len(understood["targets"]), most=MOST_INPUTS)
    if understood["classes"]:
        yield "classes", _classes(understood["classes"], understood["class_count"])
    if understood["key"]:
        yield "key", _shown(understood["key"])
    if understood["first_row"]:
        yield "first row", _values(understood["first_row"], understood["input_count"])


def _names(names: Sequence[str], count: int, *, most: int) -> str:
    """The first names, and how many more there are."""
    shown = list(map(_shown, names[:most]))
    return " ".join([", ".join(shown), *_further(count - len(shown))])


def _classes(classes: Sequence[JsonObject], count: int) -> Columns:
    """The first classes with their rows, as many beside each other as there is room for."""
    shown = [f"{_shown(one['name'])}: {one['rows']:,}" for one in classes[:MOST_CLASSES]]
    return Columns([*shown, *_further(count - len(shown))], padding=(0, 3))


def _reasons(left_out: Sequence[JsonObject], count: int) -> Table:
    """A line for each of the first reasons, with the names that share it."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for one in left_out:
        names[one["reason"]].append(one["name"])
    shown = list(names.items())[:MOST_REASONS]
    lines = [(_names(these, len(these), most=MOST_FILES), literal(reason)) for reason, these in shown]
    more = _further(count - sum(len(these) for _, these in shown))
    return _grid([*lines, *((further, "") for further in more)])


def _values(row: Mapping[str, str], count: int) -> Table:
    """A line for each of the first inputs, of which there are so many, and one for the label."""
    inputs = [name for name in row if name != LABEL][:MOST_VALUES]
    lines = [(_shown(name), _shown(row[name], longest=LONGEST_VALUE)) for name in inputs]
    more = [(further, "") for further in _further(count - len(inputs))]
    label = [(LABEL, _shown(row[LABEL], longest=LONGEST_VALUE))] if LABEL in row else []
    return _grid([*lines, *more, *label])


def _grid(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, text in lines:
        grid.add_row(name, text)
    return grid


def _further(count: int) -> Iterator[str]:
    if count > 0:
        yield f"and {count:,} more"


def _shown(text: str, *, longest: int = LONGEST_NAME) -> str:
    """The text on one line of this length at most."""
    line = printable(text.replace("\n", LINE_BREAK)) or EMPTY
    return literal(line if len(line) <= longest else f"{line[: longest - 1]}…")
