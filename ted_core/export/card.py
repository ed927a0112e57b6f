"""The card of an export: where it comes from, what was kept, and how to undo it."""

import json

from ted_core.export.retained_rows import ExportedDataset
from ted_core.results.printable import printable

MOST_CLASSES = 100
LONGEST_NAME = 100
CARD = """# {rows_kept:,} of {rows:,} rows

The retained rows of `{uri}`, in its own order, written by `ted export --as {form}`.

| | |
|---|---|
| dataset | `{uri}`, {format}, {task} |
| fingerprint | `{fingerprint}` |
| job | {job} |
| manifest | content `{content}`, rows `{indices}` |
| kept | {ratio:.2%} |
| selected | {created} |

To read it: {guide}

To undo it: row *i* here is row `row_index[i]` of the dataset, by `manifest.parquet` beside this file; all others were
left out. `ted_core.results.manifest.verify("manifest.parquet", DATASET)` shows whether a dataset is still the same one.

## Classes

{classes}

## Plan

```json
{plan}
```
"""


def card(dataset: ExportedDataset, *, form: str, guide: str) -> str:
    """Return the card, once all rows were read."""
    facts = dataset.manifest.metadata
    return CARD.format(
        rows_kept=facts.rows_kept,
        rows=facts.dataset.rows,
        uri=dataset.spec.uri.replace("`", "%60"),
        form=form,
        format=facts.dataset.format,
        task=facts.dataset.task,
        fingerprint=facts.dataset.fingerprint,
        job=facts.job_id or "none, it was selected without a service",
        content=facts.content_sha256,
        indices=facts.indices_sha256,
        ratio=facts.achieved_ratio,
        created=facts.created_at.isoformat(),
        guide=guide,
        classes=_classes(dataset),
        plan=json.dumps(facts.plan, indent=2),
    )


def _classes(dataset: ExportedDataset) -> str:
    """The rows of each class before and after, the most frequent first."""
    before, after = dataset.prior, dataset.retained_prior
    if not after or not dataset.has_one_class_each:
        return "Rows have not one class each."
    total, kept = sum(before.values()), sum(after.values())
    names = sorted({*before, *after}, key=lambda name: (-before.get(name, 0), -after.get(name, 0), name))
    lines = [
        f"| {_name(name)} | {_share(before.get(name, 0), total)} | {_share(after.get(name, 0), kept)} |"
        for name in names[:MOST_CLASSES]
    ]
    more = [f"\nand {len(names) - MOST_CLASSES:,} more"] if len(names) > MOST_CLASSES else []
    return "\n".join(["| class | in the dataset | retained |", "|---|---|---|", *lines, *more])


def _name(name: str) -> str:
    return printable(name, longest=LONGEST_NAME).replace("|", "\\|")


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if total else "not counted"
