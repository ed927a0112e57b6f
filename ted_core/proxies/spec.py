"""Which proxies there are and how each is trained by default. Torch-free: the API reads this."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.errors import UnknownProxy

InputKind = Literal["image", "vector", "text", "dialogue"]
Optimizer = Literal["adamw", "sgd"]


@dataclass(frozen=True)
class ProxyFamily:
    """One kind of proxy: what it takes, where its model is built, and the training it gets unless told otherwise."""

    takes: frozenset[InputKind]
    builder: str
    """``module:function`` that builds the ``torch.nn.Module``; imported only where torch is at hand."""
    optimizer: Optimizer
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    augments: bool


FAMILIES: dict[str, ProxyFamily] = {
    "mlp": ProxyFamily(
        takes=frozenset({"vector", "image"}),
        builder="ted_core.proxies.mlp:mlp",
        optimizer="adamw",
        epochs=12,
        batch_size=128,
        learning_rate=2e-3,
        weight_decay=1e-2,
        augments=False,
    ),
    "cnn": ProxyFamily(
        takes=frozenset({"image"}),
        builder="ted_core.proxies.cnn:cnn",
        optimizer="adamw",
        epochs=12,
        batch_size=128,
        learning_rate=4e-3,
        weight_decay=5e-2,
        augments=True,
    ),
    "resnet18": ProxyFamily(
        takes=frozenset({"image"}),
        builder="ted_core.proxies.resnet:resnet18",
        optimizer="sgd",
        epochs=30,
        batch_size=128,
        learning_rate=0.1,
        weight_decay=5e-4,
        augments=True,
    ),
}


class ProxySpec(BaseModel):
    """The proxy model and how it is trained; whatever is null takes the proxy's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str, Field(min_length=1, max_length=100, description="One of the installed proxies.", examples=["cnn"])
    ]
    epochs: Annotated[int | None, Field(ge=3, le=1000)] = None
    batch_size: Annotated[int | None, Field(ge=8, le=65536)] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=10)] = None
    weight_decay: Annotated[float | None, Field(ge=0, le=1)] = None
    augment: Annotated[bool | None, Field(description="Seeded shifts, and flips of colour images.")] = None

    def resolved(self) -> "Training":
        """The same with every default written out. Raises UnknownProxy."""
        family = family_of(self.name)
        return Training(
            name=self.name,
            epochs=self.epochs or family.epochs,
            batch_size=self.batch_size or family.batch_size,
            learning_rate=self.learning_rate or family.learning_rate,
            weight_decay=family.weight_decay if self.weight_decay is None else self.weight_decay,
            augment=family.augments if self.augment is None else self.augment,
        )


class Training(ProxySpec):
    """A proxy specification with nothing left open."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    augment: bool


def family_of(name: str) -> ProxyFamily:
    """The installed proxy family of this name. Raises UnknownProxy, which lists them."""
    if name not in FAMILIES:
        raise UnknownProxy(f"{name!r} is not among {', '.join(FAMILIES)}", field="proxy.name")
    return FAMILIES[name]
