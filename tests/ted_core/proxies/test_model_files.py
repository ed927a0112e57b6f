"""A pretrained model is found by name or by its place, and only where it may lie."""

import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from ted_core.errors import ProxyMismatch, UnknownModel
from ted_core.proxies import ProxySpec, resolve_proxy


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "my-bert").mkdir(parents=True)
    (tmp_path / "models" / "my-bert" / "config.json").write_text("{}")
    (tmp_path / "models" / "small.gguf").write_bytes(b"GGUF")
    return tmp_path / "models"


@pytest.mark.parametrize("name", ["my-bert", "small.gguf"])
def test_a_name_is_looked_up_in_the_model_folders(models: Path, name: str) -> None:
    proxy = resolve_proxy(ProxySpec(name="encoder", model=name), model_roots=[models])

    assert proxy.model_path == models / name
    assert proxy.pretrained_model == models / name


def test_an_absolute_path_inside_a_model_folder_is_taken(models: Path) -> None:
    proxy = ProxySpec(name="encoder", model=str(models / "my-bert"))

    assert resolve_proxy(proxy, model_roots=[models]).model_path == models / "my-bert"


@pytest.mark.parametrize("name", ["other", "../secret", "/etc", "my-bert/../../secret"])
def test_what_lies_elsewhere_is_refused(models: Path, name: str) -> None:
    (models.parent / "secret").mkdir()
    (models.parent / "secret" / "config.json").write_text("{}")

    with pytest.raises(UnknownModel, match="TED_MODEL_ROOTS") as refused:
        resolve_proxy(ProxySpec(name="encoder", model=name), model_roots=[models])

    assert refused.value.field == "proxy.model"


def test_a_link_that_leads_out_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    (models / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnknownModel):
        resolve_proxy(ProxySpec(name="encoder", model="link"), model_roots=[models])


def test_without_model_folders_only_packaged_models_have_names() -> None:
    with pytest.raises(UnknownModel, match="minilm, smollm2-135m"):
        resolve_proxy(ProxySpec(name="encoder", model="my-bert"), model_roots=[])


def test_a_proxy_that_starts_from_nothing_needs_no_model() -> None:
    assert resolve_proxy(ProxySpec(name="cnn"), model_roots=[]).model_path is None


def test_a_name_that_no_file_system_knows_is_refused_like_any_other(models: Path) -> None:
    with pytest.raises(UnknownModel):
        resolve_proxy(ProxySpec(name="encoder", model="a" * 300), model_roots=[models])


# --- what lies in the folder ------------------------------------------------------------------------------------------


def named(models: Path) -> Path | None:
    return resolve_proxy(ProxySpec(name="encoder", model="my-bert"), model_roots=[models]).model_path


def test_links_as_in_the_cache_of_hugging_face_are_followed(models: Path) -> None:
    blobs = models / "blobs"
    blobs.mkdir()
    (blobs / "0a1b").write_bytes(b"weights")
    (models / "my-bert" / "model.safetensors").symlink_to("../blobs/0a1b")

    assert named(models) == models / "my-bert"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "additional_chat_templates/rag.jinja"])
def test_a_file_of_the_folder_that_leads_out_is_refused(models: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (models / "my-bert" / name).parent.mkdir(exist_ok=True)
    (models / "my-bert" / name).symlink_to(tmp_path / "secret.json")

    with pytest.raises(UnknownModel, match="leads out of the model folders") as refused:
        named(models)

    assert refused.value.field == "proxy.model"


def test_a_folder_in_the_folder_that_leads_out_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (models / "my-bert" / "additional_chat_templates").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnknownModel, match="leads out"):
        named(models)


def test_a_pipe_that_would_be_waited_for_is_refused(models: Path) -> None:
    os.mkfifo(models / "my-bert" / "tokenizer.json")

    with pytest.raises(UnknownModel, match="no regular file"):
        named(models)


@pytest.mark.parametrize("listed", ["../../secret.safetensors", "/etc/hostname", "deep/model.safetensors", 7])
def test_weights_that_are_listed_elsewhere_are_refused(models: Path, listed: object) -> None:
    index = models / "my-bert" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"embeddings": listed}}))

    with pytest.raises(UnknownModel, match="names files elsewhere"):
        named(models)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 1}', "[" * 100_000])
def test_a_list_of_weights_that_is_none_is_refused(models: Path, content: str) -> None:
    (models / "my-bert" / "model.safetensors.index.json").write_text(content)

    with pytest.raises(UnknownModel, match="cannot be read"):
        named(models)


def test_weights_in_several_files_beside_their_list_are_taken(models: Path) -> None:
    index = models / "my-bert" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"embeddings": "model-00001-of-00002.safetensors"}}))

    assert named(models) == models / "my-bert"


@pytest.mark.parametrize(
    ("stated", "refused"),
    [(["BertModel"], True), (["LlamaForCausalLM"], False), ([], False), (7, False), ([7], True), (None, False)],
)
def test_dialogues_need_a_model_that_does_not_say_it_is_another(models: Path, stated: object, refused: bool) -> None:
    (models / "my-bert" / "config.json").write_text(json.dumps({"architectures": stated}))
    (models / "my-bert" / "tokenizer.json").write_text("{}")
    (models / "my-bert" / "model.safetensors").touch()

    with pytest.raises(ProxyMismatch) if refused else nullcontext():
        resolve_proxy(ProxySpec(name="lora", model="my-bert"), kind="dialogue", model_roots=[models])
