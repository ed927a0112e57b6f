"""Rows whose labels look wrong, on a terminal and in files."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import RenderableType

from ted_cli.terminal import record_table
from ted_client.errors import NotSaved
from ted_client.flow import JsonObject
from ted_core.terminal_text import literal

SHOWN = ("rank", "row_index", "sample_key", "label", "likeliest", "margin", "kept")
WRITTEN = (*SHOWN, "suspicion")
LONGEST_NAME = 40


def noise_sentence(noise: JsonObject) -> str:
    """Say how many labels look wrong."""
    what = "label looks" if noise["rows"] == 1 else "labels look"
    interval = f"95 % interval {noise['low']:.1%} to {noise['high']:.1%}"
    return f"about {noise['rows']:,} {what} wrong ({noise['share']:.1%}, {interval})"


def suspects_summary(page: JsonObject) -> Iterator[RenderableType]:
    """Yield the estimate, or why there is none, and a table of the rows."""
    yield literal(noise_sentence(page["label_noise"]) if page["label_noise"] else page["note"])
    if page["data"]:
        yield record_table(map(_shown, page["data"]), SHOWN)
    if page["has_more"]:
        yield f"the first {len(page['data']):,} rows; --limit and --output give more"


def _shown(suspect: JsonObject) -> JsonObject:
    names = {name: _short(suspect[name]) for name in ("sample_key", "label", "likeliest")}
    return {**suspect, **names, "margin": f"{suspect['margin']:.3f}", "kept": "kept" if suspect["kept"] else "pruned"}


def _short(name: str | None) -> str | None:
    return name if name is None or len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _write_csv(path: Path, rows: Sequence[JsonObject]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, WRITTEN, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _write_json(path: Path, rows: Sequence[JsonObject]) -> None:
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


WRITERS: Mapping[str, Callable[[Path, Sequence[JsonObject]], None]] = {".csv": _write_csv, ".json": _write_json}


def write_suspects(path: Path, rows: Iterable[JsonObject]) -> None:
    """Write the rows to a file whose name ends in .csv or .json. Raise NotSaved."""
    listed = list(rows)  # before the file is made, which a failed request would leave unfinished
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[path.suffix.lower()](path, listed)
    except OSError as error:
        raise NotSaved(f"{path} could not be written ({error.strerror}).") from error
