"""Tasks for Label Studio, each with its label as an annotation, and the interface that shows them."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr  # nosec B406

from ted_core.export.errors import ExportUnsuited
from ted_core.export.form import ExportForm
from ted_core.export.pictures import picture_suffix, pictures
from ted_core.export.records import array_form, close_array
from ted_core.export.retained_rows import ExportBlock, ExportedDataset

NAME = "tasks.json"
TAGS = {"image-classification": "Image", "text-classification": "Text"}
CONFIG = """<View>
  <{tag} name="input" value="$input"/>
  <Choices name="label" toName="input">
{choices}
  </Choices>
</View>
"""


def _check(dataset: ExportedDataset) -> None:
    if dataset.spec.base_task not in TAGS or not dataset.has_one_class_each or len(dataset.summary.inputs) > 1:
        raise ExportUnsuited("Tasks are written for one image or one text of one class each")


def _tasks(block: ExportBlock, dataset: ExportedDataset) -> Iterator[dict[str, Any]]:
    inputs = _inputs(block, dataset)
    for row, key, label, shown in zip(block.rows, block.keys, block.labels, inputs, strict=True):
        choice = {"from_name": "label", "to_name": "input", "type": "choices", "value": {"choices": [label]}}
        data = {"input": shown, "row_index": row, "sample_key": key}
        yield {"data": data, "annotations": [{"result": [choice]}] if label is not None else []}


def _inputs(block: ExportBlock, dataset: ExportedDataset) -> Iterator[str]:
    """Texts, or images as data URIs, which need no storage that Label Studio would have to be given."""
    if dataset.spec.base_task == "text-classification":
        yield from block.table[dataset.summary.inputs[0]].to_pylist()
        return
    for image in pictures(block, dataset):
        kind = picture_suffix(image).replace("jpg", "jpeg")
        yield f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _finish(folder: Path, dataset: ExportedDataset, blocks: int) -> None:
    close_array(NAME, folder, dataset, blocks)
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in dataset.classes)
    (folder / "config.xml").write_text(CONFIG.format(tag=TAGS[dataset.spec.base_task], choices=choices))


LABEL_STUDIO = ExportForm(
    guide="A project with the labelling interface of `config.xml`, into which `tasks.json` is imported",
    check=_check,
    write=array_form(NAME, _tasks, guide="").write,
    finish=_finish,
    grows=(NAME,),
)
