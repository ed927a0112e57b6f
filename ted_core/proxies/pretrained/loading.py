"""Pretrained models and their tokenizers, from a folder or a GGUF file of this machine.

Nothing is asked of a hub, no code of a model's folder runs, and weights are read as safetensors or GGUF only: neither
can hold code.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

from ted_core.errors import ProxyMismatch, UnknownModel

FIELD = "proxy.model"
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
POOLER = "pooler."
SETTINGS = (".json", ".jinja", ".model", ".txt")
"""How the files end that say how a folder's model and tokenizer work; the weights lie in others."""
UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError),
    *(SafetensorError, struct.error),
)
"""What transformers raise where files are missing, damaged or of a model they do not know."""

logging.disable_progress_bar()  # type: ignore[no-untyped-call]
logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def tokenizer_of(path: Path) -> PreTrainedTokenizerFast:
    """The model's own tokenizer. Raises UnknownModel."""
    with _readable(path, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(**_place(path), **LOCAL)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UnknownModel(f"{path.name} holds no tokenizer.json", field=FIELD)
    return tokenizer


def config_of(path: Path) -> PreTrainedConfig:
    """The model's configuration. Raises UnknownModel."""
    with _readable(path, "configuration"):
        config: PreTrainedConfig = AutoConfig.from_pretrained(**_place(path), **LOCAL)
    return config


def max_tokens(config: PreTrainedConfig) -> int | None:
    """How many tokens the model can take at most; None if it sets no limit."""
    return getattr(config, "max_position_embeddings", None)


def model_of(path: Path, auto_class: Any, **options: Any) -> PreTrainedModel:
    """The model on the CPU with float32 weights, in evaluation mode; ``auto_class`` is transformers' AutoModel or such.

    A pooler that the file has no weights for is taken away: nothing is made up. Raises UnknownModel, also if other
    weights are missing.
    """
    _refuse_adapter(path)
    with _readable(path, "model"):
        model, report = auto_class.from_pretrained(
            **_place(path), **LOCAL, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
        )
    missing = sorted(report["missing_keys"])
    if lacking := [name for name in missing if not name.startswith(POOLER)]:
        raise UnknownModel(f"{path.name} lacks weights, {lacking[0]} among them", field=FIELD)
    if missing:
        model.register_module("pooler", None)
    return model.eval()  # type: ignore[no-any-return]


def require_input(model: PreTrainedModel, input_name: str) -> PreTrainedModel:
    """The same model, whose main input is the named one, input_ids or pixel_values. Raises ProxyMismatch."""
    if model.main_input_name != input_name or model.config.is_encoder_decoder:
        fact = f"A model of type {model.config.model_type} does not encode {input_name} alone"
        raise ProxyMismatch(fact, field=FIELD)
    return model


def settings_files(path: Path) -> Sequence[Path]:
    """The files that decide what the tokenizer makes of a text, in name order."""
    return [path] if path.is_file() else _files(path, SETTINGS)


def model_files(path: Path) -> Sequence[Path]:
    """The files that decide what the model makes of a text, in name order."""
    return [path] if path.is_file() else _files(path, (*SETTINGS, ".safetensors"))


def _files(folder: Path, endings: tuple[str, ...]) -> Sequence[Path]:
    with _readable(folder, "model"):
        return sorted(file for file in folder.iterdir() if file.suffix in endings and file.is_file())


def _place(path: Path) -> dict[str, Any]:
    """Folder and file, in transformers' own words."""
    if path.suffix != ".gguf":
        return {"pretrained_model_name_or_path": path}
    return {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}


def _refuse_adapter(path: Path) -> None:
    """An adapter names its base model by a path, which may lie outside the folders that may be read."""
    if (Path(_place(path)["pretrained_model_name_or_path"]) / "adapter_config.json").exists():
        raise UnknownModel(f"{path.name} holds an adapter; merge it into its base model", field=FIELD)


@contextmanager
def _readable(path: Path, part: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        reason = str(error).strip().partition("\n")[0]
        raise UnknownModel(f"{path.name} holds no {part} that can be read ({reason})", field=FIELD) from error
