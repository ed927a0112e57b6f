"""Conversations as trainers of language models read them: a list of {role, content} for each row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ted_core.datasets.columns import conversations
from ted_core.datasets.columns.roles import named_inputs
from ted_core.datasets.findings import collect_findings
from ted_core.export.errors import ExportUnsuited
from ted_core.export.records import array_form, close_array, lines_form
from ted_core.export.retained_rows import ExportBlock, ExportedDataset

NAME = "data.json"
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


def _check(dataset: ExportedDataset) -> None:
    if dataset.spec.base_task != "causal-lm":
        raise ExportUnsuited(f"The dataset is one of {dataset.spec.task}, not of conversations")


def _messages(block: ExportBlock, dataset: ExportedDataset) -> Iterator[dict[str, Any]]:
    """Each conversation. Raises ExportUnsuited for answers that are not to be learned, and calls of tools."""
    schema, spec = block.table.schema, dataset.spec
    with collect_findings():  # which the job has told
        layout = conversations.layout(schema, named_inputs(spec), excluded=spec.exclude or ())
    turns = (row.as_py() for batch in block.table.to_batches() for row in layout.turns(batch))
    for number, conversation in zip(block.rows, turns, strict=True):
        yield {"messages": [_message(turn, number) for turn in conversation]}


def _message(turn: dict[str, Any], row: int) -> dict[str, str]:
    if turn.get("learned") is False:
        raise ExportUnsuited(f"Row {row} has an answer that is not to be learned, which this form cannot say")
    if turn.get("tool_calls"):
        raise ExportUnsuited(f"Row {row} calls tools, which this form cannot say")
    return {"role": turn["role"], "content": turn["content"]}


def _finish(folder: Path, dataset: ExportedDataset, blocks: int) -> None:
    """End the array, and describe it as LLaMA-Factory's data/README.md has it."""
    close_array(NAME, folder, dataset, blocks)
    entry = {"file_name": NAME, "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}
    (folder / "dataset_info.json").write_text(json.dumps({"retained": entry}, indent=2))


TRL = lines_form(
    "train.jsonl",
    _messages,
    check=_check,
    guide='`SFTTrainer(…, train_dataset=load_dataset("json", data_files="train.jsonl", split="train"))`',
)
_ARRAY = array_form(NAME, _messages, check=_check, guide="")
LLAMA_FACTORY = type(_ARRAY)(
    guide="`dataset_dir: THIS FOLDER` and `dataset: retained` in LLaMA-Factory's YAML",
    check=_check,
    write=_ARRAY.write,
    finish=_finish,
    grows=(NAME,),
)
