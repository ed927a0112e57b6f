"""Which proxies there are and how each is trained by default. Torch-free: the API reads this."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.datasets.spec import InputKind
from ted_core.errors import UnknownProxy
from ted_core.plugins import installed, plugin
from ted_core.suggestions import did_you_mean

Optimizer = Literal["adamw", "sgd"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class ProxyFamily:
    """One kind of proxy: what it takes, where its model is built, and its default training.

    A package adds one by an entry point of the group ``ted.proxies`` that holds such a value:

    >>> linear = ProxyFamily(
    ...     takes=frozenset({"vector"}),
    ...     builder="my_package.models:linear",
    ...     optimizer="sgd",
    ...     epochs=10,
    ...     batch_size=64,
    ...     learning_rate=0.1,
    ...     weight_decay=0.0,
    ... )
    >>> linear.model is None, linear.augments
    (True, False)
    """

    takes: frozenset[InputKind]
    builder: str
    """``module:function`` that builds the ``torch.nn.Module``; imported only where torch is at hand."""
    optimizer: Optimizer
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    augments: bool = False
    """Whether images are shifted and mirrored if the request says nothing; inputs of another kind never are."""
    size: str | None = None
    """``module:function`` that says how much memory the model takes, by (shape of an input, classes), without torch; a
    ``ted_core.proxies.model_size.ModelSize``. Instead of the shape, a proxy that fine-tunes a pretrained model is given
    its path. None if only building it tells."""
    smallest_side: int = 1
    """The fewest pixels in height and in width that its model can learn from."""
    model: str | None = None
    """The pretrained model that it starts from by default; None for a proxy that starts from nothing."""
    features: str | None = None
    """``module:function`` that turns samples into vectors by the pretrained model, once, before anything is trained."""
    frozen_blocks: str | None = None
    """``module:function`` that gives the part of its pretrained model below the last transformer blocks, by (path,
    blocks that are trained); builder and size then take ``train_blocks``. None if all of a model is trained."""

    @property
    def is_fine_tuned(self) -> bool:
        """Whether a pretrained model is trained itself, not a head on features that it makes once."""
        return self.model is not None and self.features is None


FAMILIES: dict[str, ProxyFamily] = {
    "mlp": ProxyFamily(
        takes=frozenset({"vector", "image"}),
        builder="ted_core.proxies.networks:mlp",
        size="ted_core.proxies.model_size:mlp",
        optimizer="adamw",
        epochs=12,
        batch_size=128,
        learning_rate=2e-3,
        weight_decay=1e-2,
        augments=False,
    ),
    "cnn": ProxyFamily(
        takes=frozenset({"image"}),
        builder="ted_core.proxies.networks:cnn",
        size="ted_core.proxies.model_size:cnn",
        optimizer="adamw",
        epochs=12,
        batch_size=128,
        learning_rate=4e-3,
        weight_decay=5e-2,
        augments=True,
    ),
    "resnet18": ProxyFamily(
        takes=frozenset({"image"}),
        builder="ted_core.proxies.networks:resnet18",
        size="ted_core.proxies.model_size:resnet18",
        optimizer="sgd",
        epochs=30,
        batch_size=128,
        learning_rate=0.1,
        weight_decay=5e-4,
        augments=True,
        smallest_side=2,  # a row of pixels shrinks to one, and over few of those batch normalization explodes
    ),
    "resnet9": ProxyFamily(
        takes=frozenset({"image"}),
        builder="ted_core.proxies.resnet9:resnet9",
        size="ted_core.proxies.model_size:resnet9",
        optimizer="sgd",
        epochs=10,
        batch_size=128,
        learning_rate=0.1,
        weight_decay=5e-4,
        augments=True,
        smallest_side=3,  # of 2 pixels a side its patches make one
    ),
    "frozen-encoder": ProxyFamily(
        takes=frozenset({"text", "image", "vector"}),
        builder="ted_core.proxies.networks:mlp",
        size="ted_core.proxies.model_size:mlp",
        optimizer="adamw",
        epochs=12,
        batch_size=128,
        learning_rate=2e-3,
        weight_decay=1e-2,
        model="minilm",
        features="ted_core.training.frozen_features:features",
    ),
    "encoder": ProxyFamily(
        takes=frozenset({"text"}),
        builder="ted_core.proxies.pretrained.encoder:encoder",
        size="ted_core.proxies.pretrained_size:encoder",
        frozen_blocks="ted_core.proxies.pretrained.encoder:frozen_blocks",
        optimizer="adamw",
        epochs=3,
        batch_size=32,
        learning_rate=1e-4,
        weight_decay=1e-2,
        model="minilm",
    ),
    "lora": ProxyFamily(
        takes=frozenset({"dialogue"}),
        builder="ted_core.proxies.pretrained.lora:adapter",
        size="ted_core.proxies.pretrained_size:adapter",
        frozen_blocks="ted_core.proxies.pretrained.lora:frozen_blocks",
        optimizer="adamw",
        epochs=3,
        batch_size=16,
        learning_rate=5e-4,
        weight_decay=0.0,
        model="smollm2-135m",
    ),
}


class ProxySpec(BaseModel):
    """The proxy model and how it is trained; whatever is null takes the proxy's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str, Field(min_length=1, max_length=100, description="One of the installed proxies.", examples=["cnn"])
    ]
    model: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=4096,
            description="The pretrained model of frozen-encoder, encoder and lora: an installed one by name (minilm, "
            "smollm2-135m), a folder's name in the service's model folders, or an absolute path inside them.",
        ),
    ] = None
    train_blocks: Annotated[
        int | None,
        Field(
            ge=1,
            description="How many transformer blocks of the pretrained model encoder and lora train, counted from the "
            "last; all of the model if it is null. What lies below is calculated once for each row and kept.",
            examples=[4],
        ),
    ] = None
    epochs: Annotated[int | None, Field(ge=2, le=1000)] = None
    batch_size: Annotated[int | None, Field(ge=2, le=65536)] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=10)] = None
    weight_decay: Annotated[float | None, Field(ge=0, le=1)] = None
    augment: Annotated[
        bool | None,
        Field(description="Seeded shifts, and flips of colour images; true only for a proxy that sees images itself."),
    ] = None
    precision: Annotated[
        Precision | None,
        Field(
            description="What the proxy's convolutions and matrix products are calculated in: float32, the default, or "
            "bfloat16, which is faster and chooses somewhat other rows; the job fails on a worker whose processor has "
            "no instructions for it. Not for encoder and lora: they use it wherever the processor has it."
        ),
    ] = None


class Training(ProxySpec):
    """A proxy specification with nothing left open."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    augment: bool
    precision: Precision | None = None
    """None for a pretrained model that is trained itself: the device decides."""

    @classmethod
    def of(cls, spec: ProxySpec, *, kind: InputKind | None = None) -> "Training":
        """The specification with every default of its family written out, for inputs of this kind if it is given.

        Raises UnknownProxy.
        """
        family = family_of(spec.name)
        return cls(
            name=spec.name,
            model=spec.model or family.model,
            train_blocks=spec.train_blocks,
            epochs=spec.epochs or family.epochs,
            batch_size=spec.batch_size or family.batch_size,
            learning_rate=spec.learning_rate or family.learning_rate,
            weight_decay=family.weight_decay if spec.weight_decay is None else spec.weight_decay,
            augment=family.augments and kind in {None, "image"} if spec.augment is None else spec.augment,
            precision=spec.precision or (None if family.is_fine_tuned else "float32"),
        )


def family_of(name: str) -> ProxyFamily:
    """The proxy family of this name, our own or an installed package's. Raises UnknownProxy, which lists them."""
    family = FAMILIES.get(name) or plugin("ted.proxies", name, ProxyFamily)
    if family is None:
        names = [*FAMILIES, *installed("ted.proxies")]
        raise UnknownProxy(f"{name!r} is not among {', '.join(names)}{did_you_mean(name, names)}", field="proxy.name")
    return family
