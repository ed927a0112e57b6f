"""A proxy as requested → the proxy with every choice made, once, where the request enters. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ted_core.datasets.spec import InputKind
from ted_core.errors import ProxyMismatch, SettingUnsuited, TooManyBlocks
from ted_core.proxies import model_files
from ted_core.proxies.model_config import require_reader
from ted_core.proxies.spec import ProxyFamily, ProxySpec, Training, family_of
from ted_core.proxies.weight_headers import block_names, weight_headers


@dataclass(frozen=True)
class ResolvedProxy:
    """A proxy with nothing left open: its family, how it is trained, and the files that it starts from."""

    family: ProxyFamily
    training: Training
    model_path: Path | None = None
    """The folder or GGUF file of its pretrained model; None if it starts from nothing."""
    batch_parts: int = 1
    """Into how many parts a batch is cut so as to fit the memory; their gradients are added up. It has no say in what
    is learned, except for rounding and what is taken from single batches (batch normalization, whitening)."""

    @property
    def name(self) -> str:
        """The family's name."""
        return self.training.name

    @property
    def is_fine_tuned(self) -> bool:
        """Whether a pretrained model is trained itself, not a head on features that it makes once."""
        return self.family.is_fine_tuned

    @property
    def model_options(self) -> dict[str, int]:
        """What its builder and its size are told beside inputs and classes."""
        return {"train_blocks": self.training.train_blocks} if self.training.train_blocks else {}

    @cached_property
    def frozen_blocks(self) -> int:
        """How many of the pretrained model's transformer blocks are not trained: their hidden states are made once."""
        if self.training.train_blocks is None or self.model_path is None:
            return 0
        return max(_block_count(self.model_path) - self.training.train_blocks, 0)

    @cached_property
    def model_digest(self) -> str | None:
        """The hexadecimal SHA-256 over the files of its pretrained model; None if it starts from nothing."""
        return model_files.model_digest(self.model_path) if self.model_path else None

    @property
    def pretrained_model(self) -> Path:
        """The path of its pretrained model, which can be read here. Raises UnknownModel."""
        assert self.model_path, f"{self.name} starts from a pretrained model"  # noqa: S101
        model_files.require_transformers()
        return self.model_path

    def require_input_kind(self, kind: InputKind) -> None:
        """Raise ProxyMismatch if it cannot be trained on samples of this kind."""
        takes, default_model = self.family.takes, self.family.model
        if kind not in takes:
            raise ProxyMismatch(f"{self.name} takes {' or '.join(sorted(takes))}s, not {kind}s", field="proxy.name")
        default_reads_text = "text" in takes and self.training.model == default_model
        if self.family.features and kind == "image" and default_reads_text:
            raise ProxyMismatch(f"{self.name} needs the name of a vision model for images", field="proxy.model")

    def require_augmentable(self, kind: InputKind) -> None:
        """Raise SettingUnsuited if it is to augment what are no images by the time that it sees them."""
        if self.training.augment and (kind != "image" or self.family.features):
            raise SettingUnsuited(
                f"{self.name} sees no images here, and nothing else is augmented", field="proxy.augment"
            )

    def require_choosable_precision(self) -> None:
        """Raise SettingUnsuited if it is told what to calculate in, but decides by the device."""
        if self.is_fine_tuned and self.training.precision is not None:
            raise SettingUnsuited(f"{self.name} calculates in what the device is fastest in", field="proxy.precision")

    def require_size(self, shape: Sequence[int]) -> None:
        """Raise ProxyMismatch if images of this shape (channels, height, width) are too small for its model."""
        smallest = self.family.smallest_side
        if min(shape[1:]) < smallest:
            fact = f"{self.name} takes images from {smallest}x{smallest} pixels on, not {shape[2]}x{shape[1]}"
            raise ProxyMismatch(fact, field="proxy.name")

    def with_all_blocks(self) -> "ResolvedProxy":
        """The same proxy, all blocks of which are trained."""
        return replace(self, training=self.training.model_copy(update={"train_blocks": None}))

    def with_training(self, **changes: float) -> "ResolvedProxy":
        """The same proxy, trained in another way."""
        return replace(self, training=self.training.model_copy(update=changes))


def resolve_proxy(
    spec: ProxySpec,
    *,
    kind: InputKind | None = None,
    model_roots: Sequence[Path] | None = None,
    cache: Path | None = None,
    batch_parts: int = 1,
) -> ResolvedProxy:
    """Fill in the family's defaults and find the pretrained model: a packaged one, or one in a root.

    If the kind of the samples is given, it is checked first: nobody should install a model that cannot read them. So
    are the files of the model that is located.
    Without roots, any absolute path is trusted. With a cache, a model in a GGUF file is unpacked there once.
    Raises UnknownProxy, UnknownModel, ProxyMismatch, SettingUnsuited, TooManyBlocks.

    >>> proxy = resolve_proxy(ProxySpec(name="mlp", epochs=4))
    >>> proxy.training.epochs, proxy.training.batch_size, proxy.model_path
    (4, 128, None)
    """
    family, training = family_of(spec.name), Training.of(spec, kind=kind)
    if training.train_blocks and family.frozen_blocks is None:
        raise SettingUnsuited(f"{spec.name} trains no blocks of a pretrained model", field="proxy.train_blocks")
    if kind is not None:
        ResolvedProxy(family, training).require_input_kind(kind)
    if training.model is None:
        return ResolvedProxy(family, training, batch_parts=batch_parts)
    if family.model is None:
        raise ProxyMismatch(f"{spec.name} starts from no pretrained model", field="proxy.model")
    path = model_files.locate_model(training.model, roots=model_roots)
    if kind is not None and kind != "vector":
        require_reader(path, kind)
    _require_blocks(path, training)
    return ResolvedProxy(family, training, model_files.unpack_model(path, cache=cache) if cache else path, batch_parts)


def _require_blocks(model: Path, training: Training) -> None:
    """Raise TooManyBlocks if the model's files show fewer transformer blocks than are to be trained."""
    asked, blocks = training.train_blocks or 0, _block_count(model) if training.train_blocks else 0
    if blocks and asked > blocks:
        fact = f"A train_blocks of {asked}, where {training.model} has {blocks} blocks"
        raise TooManyBlocks(fact, field="proxy.train_blocks")


def _block_count(model: Path) -> int:
    return len(block_names(weight_headers(model)))
