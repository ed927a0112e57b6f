"""A pretrained model is found by name or by its place, and only where it may lie."""

from pathlib import Path

import pytest

from ted_core.errors import UnknownModel
from ted_core.proxies import ProxySpec
from ted_core.proxies.model_files import folder_of, locate_model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "my-bert").mkdir(parents=True)
    (tmp_path / "models" / "my-bert" / "config.json").write_text("{}")
    (tmp_path / "models" / "small.gguf").write_bytes(b"GGUF")
    return tmp_path / "models"


@pytest.mark.parametrize("name", ["my-bert", "small.gguf"])
def test_a_name_is_looked_up_in_the_model_folders(models: Path, name: str) -> None:
    found = locate_model(ProxySpec(name="encoder", model=name), roots=[models])

    assert found.model == str(models / name)
    assert folder_of(found) == models / name


def test_an_absolute_path_inside_a_model_folder_is_taken(models: Path) -> None:
    proxy = ProxySpec(name="encoder", model=str(models / "my-bert"))

    assert locate_model(proxy, roots=[models]) == proxy


@pytest.mark.parametrize("name", ["other", "../secret", "/etc", "my-bert/../../secret"])
def test_what_lies_elsewhere_is_refused(models: Path, name: str) -> None:
    (models.parent / "secret").mkdir()
    (models.parent / "secret" / "config.json").write_text("{}")

    with pytest.raises(UnknownModel, match="TED_MODEL_ROOTS") as refused:
        locate_model(ProxySpec(name="encoder", model=name), roots=[models])

    assert refused.value.field == "proxy.model"


def test_a_link_that_leads_out_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    (models / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnknownModel):
        locate_model(ProxySpec(name="encoder", model="link"), roots=[models])


def test_without_model_folders_only_packaged_models_have_names() -> None:
    with pytest.raises(UnknownModel, match="minilm, smollm2-135m"):
        locate_model(ProxySpec(name="encoder", model="my-bert"), roots=[])


def test_a_proxy_that_starts_from_nothing_needs_no_model() -> None:
    assert locate_model(ProxySpec(name="cnn"), roots=[]).model is None


def test_a_name_that_no_file_system_knows_is_refused_like_any_other(models: Path) -> None:
    with pytest.raises(UnknownModel):
        locate_model(ProxySpec(name="encoder", model="a" * 300), roots=[models])
