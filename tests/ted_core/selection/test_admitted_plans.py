"""What is admitted starts training and ends: over plans, proxies and kinds of inputs, nothing but documented errors."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from torch import nn

from ted_core.datasets import Samples
from ted_core.datasets.samples import Dialogues, Texts
from ted_core.errors import PrecisionMissing, SingleClass, TedError, TooFewRowsKept, TrainingDiverged, UnknownModel
from ted_core.plan import PruningPlan
from ted_core.proxies import FAMILIES, ProxyFamily, ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.selection.feasibility import check_feasibility
from ted_core.selection.prune import prune
from tests.ted_core import examples

ROWS = 40
OF_ROWS = (PrecisionMissing, TrainingDiverged, SingleClass, TooFewRowsKept, UnknownModel)
"""What may still go wrong once a plan is admitted: it depends on the rows' values, on the worker's processor, or on
what libraries make of a pretrained model's files."""
SAMPLED = 25
PLAN: Mapping[str, Sequence[Any]] = {
    "keep_ratio": (0.2, 0.5, 0.99, "auto"),
    "tolerance": (None, None, 5),
    "method": ("ted", "ted", "ted", "random", "stratified", "el2n", "grand", "forgetting", "ccs", "dual"),
    "q": (None, 0.0, 1.0, 16.0, "auto"),
    "score": ("margin", "probability", "parameter"),
    "guard": (False, False, True),
    "rounds": (None, None, 2, 3),
    "class_floor": (0.0, 0.2, 0.5),
    "class_balance": ("free", "free", "keep"),
    "sampling": ("global",),
    "seed": (0, 2**32 - 1),
}
PROXY: Mapping[str, Sequence[Any]] = {
    "epochs": (2, 3, 4),
    "batch_size": (2, 3, 32, 65536),
    "learning_rate": (None, None, 1e-12, 10),
    "weight_decay": (None, 0, 1),
    "augment": (None, None, None, True, False),
    "precision": (None, None, None, "float32", "bfloat16"),
}
FIRST_BATCH = ("resnet9", "resnet18")
"""Proxies that are too slow to be trained to the end here."""


def linear(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The model of an installed package's proxy."""
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), classes))


LINEAR = ProxyFamily(
    takes=frozenset({"image", "vector"}),
    builder=f"{__name__}:linear",
    optimizer="sgd",
    epochs=3,
    batch_size=16,
    learning_rate=0.1,
    weight_decay=0.0,
    augments=True,
)


def several_classes(samples: Samples) -> Samples:
    labels = (np.random.default_rng(0).random((len(samples), 3)) < 0.4).astype(np.float32)
    return replace(samples, labels=labels, classes=("a", "b", "c"))


def texts() -> Samples:
    words = [f"the film was {'good' if row % 2 else 'bad , very ' * (row % 5)}" for row in range(ROWS)]
    vectors = examples.random_vectors(ROWS)
    return replace(vectors, inputs=Texts((pa.chunked_array([pa.array(words)]),)))


def dialogues() -> Samples:
    turns = [[{"role": "user", "content": "what ?"}, {"role": "assistant", "content": "a film"}]] * ROWS
    rows = np.arange(ROWS, dtype=np.uint64)
    return Samples(Dialogues(pa.chunked_array([pa.array(turns)])), np.zeros(ROWS, np.int64), (), rows, rows=ROWS)


def images(channels: int, height: int, width: int) -> Samples:
    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, channels, height, width), dtype=np.uint8)
    return examples.samples(pixels, np.arange(ROWS) % 2)


def scaled(factor: float) -> Samples:
    vectors = examples.random_vectors(ROWS)
    return replace(vectors, inputs=vectors.inputs * np.float32(factor))


SIZES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (5, 4), (8, 8)]
DATA: Mapping[str, Samples] = {
    **{f"{channels}x{size[0]}x{size[1]}": images(channels, *size) for channels, size in product((1, 3), SIZES)},
    "vectors": examples.random_vectors(ROWS),
    "one feature": examples.random_vectors(ROWS + 1, features=1),
    "one value": scaled(0),
    "large values": scaled(1e30),
    "images of several classes": several_classes(images(1, 4, 4)),
    "vectors of several classes": several_classes(examples.random_vectors(ROWS)),
    "another task": replace(examples.random_vectors(ROWS), task="of a package"),
    "texts": texts(),
    "texts of several classes": several_classes(texts()),
    "dialogues": dialogues(),
}


@dataclass(frozen=True)
class Request:
    """A job, as far as its feasibility is concerned."""

    data: str
    plan: PruningPlan
    proxy: ProxySpec

    @property
    def samples(self) -> Samples:
        return DATA[self.data]

    def admitted(self) -> ResolvedProxy | None:
        """The proxy, unless the job is refused for what is known without the values of its rows."""
        samples = self.samples
        one_class = not samples.multi_label and samples.task is None
        try:
            proxy = resolve_proxy(self.proxy, kind=samples.kind)
            check_feasibility(
                self.plan, proxy, kind=samples.kind, rows=ROWS, one_class=one_class, shape=samples.input_shape
            )
        except TedError as error:
            assert error.field, f"{self} is refused without naming a field: {error}"
            return None
        return proxy


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """Pretrained models: of texts, of images and of language."""
    from tests.ted_core.proxies.pretrained import language_models, models  # noqa: PLC0415 - slow to import

    folder = tmp_path_factory.mktemp("models")
    makes: Mapping[str, Callable[[Path], Path]] = {
        "encoder": models.tiny_encoder,
        "vision": models.tiny_vision_model,
        "language": language_models.tiny_language_model,
        "language.gguf": language_models.tiny_gguf,
        "pair": models.tiny_pair,
        "translator": models.tiny_encoder_decoder,
        "unlabelled text": lambda path: without(models.tiny_encoder(path), "architectures", "model_type"),
        "text that claims to see": seeing(models.tiny_encoder),
        "vision that claims to read": lambda path: reading(models.tiny_vision_model(path)),
        **{f"without {part}": stripped(models.tiny_encoder, part) for part in ("tokenizer*", "*.safetensors")},
        **{f"blind without {part}": stripped(models.tiny_vision_model, part) for part in ("pre*", "*.safetensors")},
    }
    return [str(make(folder / name)) for name, make in makes.items()]


def stripped(make: Callable[[Path], Path], part: str) -> Callable[[Path], Path]:
    """The model without some of its files."""

    def made(path: Path) -> Path:
        make(path)
        for file in path.glob(part):
            file.unlink()
        return path

    return made


def without(path: Path, *names: str) -> Path:
    """The model, whose configuration does not say these things; no library can open it without them."""
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({name: config[name] for name in config.keys() - {*names}}))
    return path


def seeing(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """A model of texts with the files of one of images."""

    def made(path: Path) -> Path:
        make(path)
        stated = {"size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        (path / "preprocessor_config.json").write_text(json.dumps(stated))
        return path

    return made


def reading(path: Path) -> Path:
    """The model of images with a tokenizer."""
    from tests.ted_core.proxies.pretrained.models import word_tokenizer  # noqa: PLC0415 - slow to import

    word_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package's proxy, whose images are augmented unless the request says otherwise; a package's task."""
    monkeypatch.setitem(FAMILIES, "linear", LINEAR)
    monkeypatch.setattr("ted_core.training.objectives.plugin", lambda *_: None)


def requests(models: Sequence[str], *, seed: int) -> Iterator[Request]:
    """Requests without end, every field drawn by itself."""
    draw = random.Random(seed)  # noqa: S311 - tests are to repeat
    while True:
        name, data = draw.choice(list(FAMILIES)), draw.choice(list(DATA))
        plan, proxy = ({field: draw.choice(values) for field, values in fields.items()} for fields in (PLAN, PROXY))
        model = draw.choice(models) if FAMILIES[name].model else None
        yield Request(data, PruningPlan(**plan), ProxySpec(name=name, model=model, **proxy))


class Started(Exception):
    """The first batch has been trained on."""


def _stop(_: object) -> None:
    raise Started


def carry_out(request: Request, proxy: ResolvedProxy) -> str:
    """Prune, to the first batch or to the end, and return what became of it; decisions are made by finite numbers."""
    try:
        if proxy.name in FIRST_BATCH:
            list(prune(request.samples, request.plan, proxy=proxy, watch=_stop))
        else:
            *_, final = prune(request.samples, request.plan, proxy=proxy)
            assert final.retained.sum() == request.plan.rows_kept(len(request.samples))
            assert request.plan.method in {"random", "stratified"} or np.isfinite(final.score).all()
    except Started:
        return "started"
    except OF_ROWS as error:
        assert error.field
        return error.code()
    return "ended"


def test_what_is_admitted_is_carried_out(models: Sequence[str]) -> None:
    drawn, outcomes = requests(models, seed=0), list[str]()

    while len(outcomes) < SAMPLED:
        request = next(drawn)
        if proxy := request.admitted():
            outcomes.append(carry_out(request, proxy))

    assert outcomes.count("ended") > SAMPLED / 2


NOT_THERE = "unlabelled text"
"""What no library opens, and nobody can tell before it tries."""


@pytest.mark.parametrize("data", ["texts", "3x8x8", "dialogues", "vectors"])
@pytest.mark.parametrize("name", ["frozen-encoder", "encoder", "lora"])
def test_a_pretrained_model_that_is_admitted_can_be_trained(models: Sequence[str], name: str, data: str) -> None:
    for model in models:
        request = Request(data, PruningPlan(keep_ratio=0.5, q=1), ProxySpec(name=name, model=model, epochs=2))
        if NOT_THERE not in model and (proxy := request.admitted()):
            assert carry_out(request, proxy) == "ended", f"{name} with {Path(model).name} on {data}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 11))
def test_whatever_is_admitted_is_carried_out(models: Sequence[str], seed: int) -> None:
    for request in islice(requests(models, seed=seed), 1000):
        if proxy := request.admitted():
            carry_out(request, proxy)


def refusal(data: str, plan: Mapping[str, Any] | None = None, **proxy: Any) -> TedError:
    with pytest.raises(TedError) as refused:
        prune(DATA[data], PruningPlan.model_validate({"keep_ratio": 0.5} | (plan or {})), proxy=ProxySpec(**proxy))
    return refused.value


@pytest.mark.parametrize("data", ["vectors", "texts"])
def test_only_images_are_augmented(models: Sequence[str], data: str) -> None:
    name, model = {"vectors": ("mlp", None), "texts": ("encoder", models[0])}[data]

    error = refusal(data, name=name, model=model, augment=True)

    assert (error.code(), error.field) == ("setting_unsuited", "proxy.augment")


def test_images_of_which_a_frozen_model_makes_vectors_are_not_augmented(models: Sequence[str]) -> None:
    assert refusal("3x8x8", name="frozen-encoder", model=models[1], augment=True).field == "proxy.augment"


def test_a_proxy_that_augments_images_by_default_takes_vectors_as_they_are() -> None:
    *_, final = prune(DATA["vectors"], PruningPlan(keep_ratio=0.5, q=1), proxy=ProxySpec(name="linear"))

    assert final.retained.sum() == ROWS / 2


@pytest.mark.parametrize(("name", "smallest"), [("resnet9", "3x3 pixels"), ("resnet18", "2x2 pixels")])
@pytest.mark.parametrize("data", ["1x1x1", "3x1x2", "3x2x1"])
def test_images_that_are_too_small_for_a_proxy_are_refused(data: str, name: str, smallest: str) -> None:
    error = refusal(data, name=name)

    assert (error.code(), error.field) == ("proxy_mismatch", "proxy.name")
    assert smallest in error.fact


@pytest.mark.parametrize(
    ("data", "name", "model"), [("3x8x8", "frozen-encoder", 0), ("texts", "encoder", 1), ("dialogues", "lora", 0)]
)
def test_a_pretrained_model_of_another_kind_of_input_is_refused(
    models: Sequence[str], data: str, name: str, model: int
) -> None:
    assert refusal(data, name=name, model=models[model]).field == "proxy.model"
