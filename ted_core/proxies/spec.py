"""Which proxies there are and how each is trained by default. Torch-free: the API reads this."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

InputKind = Literal["image", "vector"]


@dataclass(frozen=True)
class ProxyFamily:
    """One kind of proxy: what it takes, where its model is built, and the training it gets unless told otherwise."""

    takes: InputKind
    builder: str
    """``module:function`` that builds the ``torch.nn.Module``; imported only where torch is at hand."""
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


FAMILIES: dict[str, ProxyFamily] = {
    "mlp": ProxyFamily("vector", "ted_core.proxies.mlp:mlp", 12, 128, 1e-3, 1e-4),
    "cnn": ProxyFamily("image", "ted_core.proxies.cnn:cnn", 12, 128, 2e-3, 5e-4),
    "resnet18": ProxyFamily("image", "ted_core.proxies.resnet:resnet18", 30, 256, 0.05, 5e-4),
}


class ProxySpec(BaseModel):
    """The proxy model and how it is trained; whatever is null takes the proxy's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, description="One of the installed proxies.", examples=["cnn"])]
    epochs: Annotated[int | None, Field(ge=3, le=1000)] = None
    batch_size: Annotated[int | None, Field(ge=8, le=65536)] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=10)] = None
    weight_decay: Annotated[float | None, Field(ge=0, le=1)] = None
    augment: Annotated[bool, Field(description="Random flips and shifts for image proxies, seeded.")] = True
