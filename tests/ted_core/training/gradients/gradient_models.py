"""Small models of every make, in double precision, and rows for them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ted_core.proxies.networks import cnn, mlp, resnet18

CLASSES, VOCABULARY, LENGTH = 3, 7, 5


class Readout(nn.Module):
    """Outputs of any shape → logits, curved and without parameters."""

    def forward(self, outputs: Tensor) -> Tensor:
        flat = outputs.flatten(1).tanh()
        weights = torch.arange(flat.shape[1] * CLASSES, dtype=flat.dtype).mul(0.7).cos()
        return flat @ weights.view(-1, CLASSES)


class Block(nn.Module):
    """An encoder's layer: attention written with linear layers, then two more, each beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.before, self.between = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.projections(self.before(tokens)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        tokens = tokens + self.output(mixed)
        return tokens + self.mlp(self.between(tokens))


class Transformer(nn.Module):
    """Token numbers (samples, tokens) → logits; each sample is given positions of its own, or all share them."""

    def __init__(self, layer: nn.Module, *, width: int = 4, shared_positions: bool = False) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width, padding_idx=0), nn.Embedding(LENGTH, width)
        self.layer, self.norm, self.head = layer, nn.LayerNorm(width), nn.Linear(width, CLASSES)
        self.shared_positions = shared_positions

    def forward(self, numbers: Tensor) -> Tensor:
        positions = torch.arange(numbers.shape[1])
        tokens = self.tokens(numbers) + self.positions(
            positions if self.shared_positions else positions.expand_as(numbers)
        )
        return self.head(self.norm(self.layer(tokens)).mean(1))


class Tied(nn.Module):
    """A network whose first and last layer share a weight, and whose middle layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Embedding(CLASSES, 4, 0), nn.Linear(4, 4), nn.Linear(4, CLASSES)
        self.last.weight = self.first.weight

    def forward(self, numbers: Tensor) -> Tensor:
        return self.last(self.middle(self.middle(self.first(numbers % CLASSES)).tanh()).mean(1))


class Recurring(nn.Module):
    """Every kind of layer that has a closed form, each used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.norm, self.linear = nn.Embedding(VOCABULARY, 4), nn.LayerNorm(4), nn.Linear(4, 4)
        self.convolution = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, numbers: Tensor) -> Tensor:
        tokens = self.tokens(numbers) + self.tokens(numbers.flip(1)[:, :3]).mean(1, keepdim=True)
        tokens = self.norm(self.linear(self.norm(self.linear(tokens)).tanh()))
        return Readout()(self.convolution(self.convolution(tokens[:, None]).tanh()))


class Bare(nn.Module):
    """A scale that belongs to no layer, a weight that is also read behind its layer's back, and a layer never used."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.linear, self.idle = nn.Parameter(torch.randn(4)), nn.Linear(4, 4), nn.Linear(2, 2)

    def forward(self, vectors: Tensor) -> Tensor:
        return Readout()(self.linear(vectors).tanh() @ self.linear.weight * self.scale)


@dataclass(frozen=True)
class Case:
    """A model and rows for it."""

    model: nn.Module
    inputs: Tensor
    labels: Tensor


def case(model: nn.Module, inputs: Tensor) -> Case:
    """The model in double precision with statistics as after training, and labels that follow no rule."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    return Case(model.double(), inputs, torch.randint(CLASSES, (len(inputs),)))


def images(side: int = 8, channels: int = 1) -> Tensor:
    return torch.randn(4, channels, side, side)


def numbers() -> Tensor:
    """As many rows as tokens: no axis is known by its length."""
    return torch.randint(VOCABULARY, (LENGTH, LENGTH))


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, dim_feedforward=8, batch_first=True)


MODELS: dict[str, Callable[[], Case]] = {
    "mlp": lambda: case(mlp((5,), CLASSES), torch.randn(4, 5)),
    "cnn": lambda: case(cnn((3, 8, 8), CLASSES), images(channels=3)),
    "resnet18": lambda: case(resnet18((1, 8, 8), CLASSES), images()[:2]),
    "transformer": lambda: case(Transformer(Block(4, 2)), numbers()),
    "transformer with shared positions": lambda: case(Transformer(Block(4, 2), shared_positions=True), numbers()),
    "torch's encoder layer": lambda: case(Transformer(encoder_layer()), numbers()),
    "tied weights": lambda: case(Tied(), numbers()),
    "every layer twice": lambda: case(Recurring(), numbers()),
    "parameters outside layers": lambda: case(Bare(), torch.randn(4, 4)),
    "overwritten tokens": lambda: case(
        nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), Readout()), torch.randn(4, 5, 4)
    ),
}


def built(name: str) -> Case:
    """This model with fixed weights and rows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MODELS[name]()


def single(layer: nn.Module, inputs: Tensor) -> Case:
    """A model with this layer alone."""
    return case(nn.Sequential(layer, Readout()), inputs)
