"""What a frozen model makes of texts and images, once for all models that train on it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from transformers import AutoModel

from ted_core.datasets import Samples
from ted_core.errors import ProxyMismatch, UnknownModel
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.row_count import counting_rows
from ted_core.training.features import prepare_samples
from ted_core.training.frozen_features import features
from tests.ted_core import examples
from tests.ted_core.proxies.pretrained import reviews
from tests.ted_core.proxies.pretrained.models import WIDTH, tiny_encoder, tiny_vision_model, word_tokenizer

pytestmark = pytest.mark.usefixtures("in_float32")


def the_kept_features(folder: Path) -> Path:
    [path] = folder.glob("*.features.npy")
    return path


@torch.inference_mode()
def by_the_model_itself(images: np.ndarray, folder: Path) -> Any:
    """The model's output for images that fit it, scaled as its preprocessor_config.json says."""
    colours = torch.from_numpy(images).float().expand(-1, 3, -1, -1) / 255
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in ([0.5, 0.4, 0.3], [0.2, 0.25, 0.3]))
    return AutoModel.from_pretrained(folder).eval()(pixel_values=(colours - mean) / std)


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_texts_vector_is_the_mean_of_its_tokens(encoder_folder: Path) -> None:
    texts = reviews.random_texts(30)

    found = features(reviews.samples(texts), encoder_folder)

    model, tokenizer = AutoModel.from_pretrained(encoder_folder).eval(), word_tokenizer()
    for vector, text in zip(found, texts, strict=True):
        with torch.inference_mode():
            hidden = model(torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state
        np.testing.assert_allclose(vector, hidden[0].mean(0), atol=1e-5)


def test_the_proxy_trains_on_vectors_in_the_texts_place(encoder_folder: Path) -> None:
    samples = reviews.reviews(8)
    proxy = resolve_proxy(ProxySpec(name="frozen-encoder", model=str(encoder_folder)))

    ready = prepare_samples(samples, proxy)

    assert ready.kind == "vector"
    assert ready.input_shape == (WIDTH,)
    assert ready.labels is samples.labels
    assert prepare_samples(ready, proxy) is ready


def test_rows_are_counted_for_who_wants_to_know(encoder_folder: Path) -> None:
    samples, counted = reviews.samples(reviews.random_texts(30)), list[int]()

    with counting_rows(counted.append):
        features(samples, encoder_folder)
    features(samples, encoder_folder)

    assert sum(counted) == len(samples)


def test_vectors_are_kept_and_found_again(encoder_folder: Path, tmp_path: Path) -> None:
    samples = reviews.reviews(20, cache=tmp_path)
    made = features(samples, encoder_folder)
    written = the_kept_features(tmp_path).stat()

    found = features(samples, encoder_folder)

    assert the_kept_features(tmp_path).stat().st_ino == written.st_ino
    assert np.array_equal(made, found)
    assert np.array_equal(made, features(reviews.reviews(20), encoder_folder))


def test_what_is_kept_cannot_be_changed_by_who_finds_it(encoder_folder: Path, tmp_path: Path) -> None:
    found = features(reviews.reviews(20, cache=tmp_path), encoder_folder)

    with pytest.raises(ValueError, match="read-only"):
        found += 1


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_made_anew(encoder_folder: Path, tmp_path: Path, share: float) -> None:
    samples = reviews.reviews(20, cache=tmp_path)
    whole = features(samples, encoder_folder).copy()
    path = the_kept_features(tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    assert np.array_equal(features(samples, encoder_folder), whole)


def test_other_weights_make_other_vectors(tmp_path: Path) -> None:
    samples, model = reviews.reviews(20, cache=tmp_path / "cache"), tmp_path / "model"
    first = features(samples, tiny_encoder(model, seed=0)).copy()

    second = features(samples, tiny_encoder(model, seed=1))

    assert not np.allclose(first, second)
    assert len(list((tmp_path / "cache").glob("*.features.npy"))) == 2
    assert len(list((tmp_path / "cache").glob("*.tokens.arrow"))) == 1


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_an_images_vector_is_what_the_model_pools(tmp_path: Path, channels: int) -> None:
    folder, images = tiny_vision_model(tmp_path), examples.random_images(70, channels=channels, side=16)

    found = features(images, folder)

    expected = by_the_model_itself(images.inputs, folder)
    assert found.shape == (70, WIDTH)
    np.testing.assert_allclose(found, expected.pooler_output, atol=1e-5)


def test_a_model_without_pooling_gives_the_mean_over_its_patches(tmp_path: Path) -> None:
    folder, images = tiny_vision_model(tmp_path, pooler=False), examples.random_images(4, channels=3, side=16)

    found = features(images, folder)

    np.testing.assert_allclose(found, by_the_model_itself(images.inputs, folder).last_hidden_state.mean(1), atol=1e-5)


@pytest.mark.parametrize(
    "stated", [{"size": 16}, {"size": {"shortest_edge": 16}}, {"size": 20, "crop_size": {"height": 16, "width": 16}}]
)
def test_images_are_resized_to_what_the_model_was_trained_on(tmp_path: Path, stated: dict[str, Any]) -> None:
    folder, images = tiny_vision_model(tmp_path), examples.random_images(4, channels=3, side=32)
    colours = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps(colours | stated))

    found = features(images, folder)

    small = interpolate(torch.from_numpy(images.inputs).float(), (16, 16), mode="bilinear", antialias=True)
    np.testing.assert_allclose(found, by_the_model_itself(small.numpy(), folder).pooler_output, atol=1e-4)


@pytest.mark.parametrize("stated", [None, "{", "[]", "{}", '{"size": 16}', '{"size": {"longest_edge": 16}}'])
def test_a_folder_that_does_not_say_how_it_wants_images_is_refused(tmp_path: Path, stated: str | None) -> None:
    path = tiny_vision_model(tmp_path) / "preprocessor_config.json"
    path.unlink() if stated is None else path.write_text(stated)

    with pytest.raises(UnknownModel, match=r"preprocessor_config.json that states size") as refused:
        features(examples.random_images(4, side=16), tmp_path)

    assert refused.value.field == "proxy.model"


def test_a_model_of_texts_makes_nothing_of_images(encoder_folder: Path) -> None:
    images: Samples = examples.random_images(4)

    with pytest.raises(ProxyMismatch, match="type bert does not encode pixel_values"):
        features(images, encoder_folder)
