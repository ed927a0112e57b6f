"""A pretrained model is found by name or by its place, and only where it may lie."""

from pathlib import Path

import pytest

from ted_core.errors import UnknownModel
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
