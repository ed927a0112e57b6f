"""``ted explain`` and ``ted diff``: why a row was kept or not, and how two selections differ."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ted_cli.extras import require
from ted_cli.options import JsonOption
from ted_cli.request.artifacts import selection_file, selection_files
from ted_cli.terminal import facts_table, out, print_json, print_json_lines, print_table, print_text, record_table
from ted_client.flow import JsonObject

if TYPE_CHECKING:
    from ted_core.results.queries.difference import SelectionDifference

app = typer.Typer()
SelectionArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job, or the folder of a `ted run`.")]
MOST_CLASSES = 10


@app.command()
def explain(
    context: typer.Context,
    job: SelectionArgument,
    rows: Annotated[list[str], typer.Argument(metavar="ROW...", help="The rows' numbers, counted from 0.")],
    keys: Annotated[bool, typer.Option("--keys", help="The rows are named by their keys, not by numbers.")] = False,
    json_: JsonOption = False,
) -> None:
    """Say why rows were kept or not: class, score, margin, chance of being kept, and whether the label looks wrong."""
    require(context, "manifest")
    from ted_core.results.queries.rows import explain_keys, explain_rows  # noqa: PLC0415 - pyarrow takes its time

    numbers = [] if keys else list(map(_row_number, rows))
    with selection_files(context, job, "decisions", "suspects") as (decisions, suspects):
        assert decisions, "the first is always there"  # noqa: S101
        explained = explain_keys(decisions, suspects, rows) if keys else explain_rows(decisions, suspects, numbers)
    if json_:
        print_json_lines(explained)
        return
    for facts in explained:
        print_text(_verdict(facts))
        out.print(facts_table(_row_facts(facts)), highlight=False)


def _row_number(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no number of a row; --keys names rows by their keys", param_hint="ROW")
    return int(text)


def _verdict(facts: JsonObject) -> str:
    key = f" ({facts['sample_key']})" if facts["sample_key"] is not None else ""
    outcome = "kept" if facts["kept"] else "pruned"
    reason = "" if facts["reason"] == outcome else f": {facts['reason']}"
    return f"row {facts['row_index']:,}{key} was {outcome}{reason}"


def _row_facts(facts: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield what is known of the row, in the words of docs/manifest.md."""
    if facts["label"] is not None:
        yield "class", facts["label"]
    if facts["suspicion"] is not None:
        instead = f", looks like {facts['likeliest']}" if facts["likeliest"] is not None else ""
        yield "label", f"looks wrong (suspicion {facts['suspicion']:.3g}){instead}"
    yield ("retained", "to the end") if facts["kept"] else ("left", f"in round {facts['last_round'] + 1}")
    yield "rank", f"{facts['rank']:,} (0 would be pruned last)"
    if facts.get("inclusion_probability") is not None:
        yield "probability", f"{facts['inclusion_probability']:.3g} of being kept"
    for name in ("score", "margin", "internal_generalization", "base_performance"):
        if facts.get(name) is not None:
            yield name.replace("_", " "), f"{facts[name]:.4g}"


@app.command()
def diff(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="A job, a manifest, or the folder of a `ted run`.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another selection from the same dataset.")],
    json_: JsonOption = False,
) -> None:
    """Say how two selections differ: rows that only one of them keeps, and the classes whose shares changed most."""
    require(context, "manifest")
    from ted_core.results.manifest import read_manifest  # noqa: PLC0415 - pyarrow takes its time
    from ted_core.results.queries.difference import difference  # noqa: PLC0415 - the same

    with selection_file(context, first) as a, selection_file(context, second) as b:
        found = difference(read_manifest(a), read_manifest(b))
    if json_:
        print_json(_as_json(found))
        return
    out.print(facts_table(_difference_facts(found)), highlight=False)
    if found.classes:
        print_table(record_table(map(_class_record, found.classes[:MOST_CLASSES]), ("class", "A", "B", "change")))


def _as_json(found: "SelectionDifference") -> dict[str, Any]:
    return {**asdict(found), "jaccard": found.jaccard, "jaccard_of_random_rows": found.jaccard_of_random_rows}


def _difference_facts(found: "SelectionDifference") -> Iterator[tuple[str, str]]:
    yield "A keeps", f"{found.kept[0]:,} of {found.rows:,}, {found.kept_by_one[0]:,} of them alone"
    yield "B keeps", f"{found.kept[1]:,} of {found.rows:,}, {found.kept_by_one[1]:,} of them alone"
    yield "both keep", f"{found.kept_by_both:,}"
    random = f"{found.jaccard_of_random_rows:.3f} would be random rows"
    yield "Jaccard", f"{found.jaccard:.3f} (1: the same rows; {random})"


def _class_record(shift: Any) -> JsonObject:
    of_a, of_b = (f"{kept:,} ({share:.1%})" for kept, share in zip(shift.kept, shift.shares, strict=True))
    return {"class": shift.name, "A": of_a, "B": of_b, "change": f"{shift.change * 100:+.1f} points"}
