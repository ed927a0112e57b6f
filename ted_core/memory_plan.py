"""How much memory a run will take beyond what an idle runner has, before any of it is asked for. Torch-free."""

from dataclasses import dataclass
from math import ceil, prod

from ted_core.datasets.limits import INPUTS_SHARE
from ted_core.errors import ModelTooLarge
from ted_core.plan import TWINS, PruningPlan
from ted_core.proxies.model_size import FLOAT, ModelSize, trained_bytes
from ted_core.proxies.resolve import ResolvedProxy
from ted_core.proxies.spec import Optimizer
from ted_core.selection.workload import UNTRAINED, most_trials
from ted_core.training.measuring import IMAGE_AXES, measuring_batch_size

STATES: dict[Optimizer, int] = {"adamw": 2, "sgd": 1}
"""How many numbers an optimizer remembers for each that it adjusts."""
ROW_BYTES = 250
"""Labels, performances, scores, ranks."""
AT_ONCE = 2
"""Activations of the largest layer's size that exist at the same time while rows are measured."""
AUGMENTED = 3
"""Copies of a batch while it is shifted and mirrored."""
SCALING_BYTES, SCALING_COPIES = 32 << 20, 3
"""The rows whose statistics are taken at a time, as float64, and how many copies of them there are."""
IDLE_BYTES = 380 << 20
"""What a runner takes before it has an assignment, most of it libraries."""
FEWEST_ROWS = 2
"""In a batch."""
UNIT = 1 << 20


@dataclass(frozen=True)
class Workload:
    """What memory depends on."""

    plan: PruningPlan
    proxy: ResolvedProxy
    size: ModelSize
    shape: tuple[int, ...]
    """Of one input as the model sees it."""
    rows: int
    memory_bytes: int | None = None
    """Inputs of more than a quarter of these are mapped from a file."""
    resizable: bool = False
    """Whether dataset.image_size may decide about the shape."""
    features_bytes: int = 0
    """Of the frozen model that makes the inputs, before anything is trained."""
    held: int | None = None
    """The rows whose inputs this process has; None for all of them."""

    @property
    def is_estimate(self) -> bool:
        """Whether rows take different amounts, which nobody knows yet."""
        return self.size.rows_at_once is not None

    @property
    def stored_row(self) -> int:
        """The bytes of one input as it is kept: images as bytes, anything else as float32."""
        return prod(self.shape) * (1 if len(self.shape) == IMAGE_AXES else FLOAT)


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes beyond those of an idle runner."""

    models: int
    """Weights, gradients and optimizer states of the models that exist all the time."""
    candidate: int
    """Those of the model that is trained on a candidate's rows."""
    inputs: int
    """What is held of all rows, unless it is mapped from a file."""
    training: int
    """A batch on its way forth and back."""
    measuring: int
    """A batch that is measured."""
    scaling: int
    """Statistics of the inputs."""
    row: int
    """What each row of a batch adds to ``training``."""
    features: int = 0
    """The frozen model that makes the inputs; it is gone before the others are built."""

    @property
    def fixed(self) -> int:
        """What does not depend on the size of batches."""
        return self.models + self.candidate + self.inputs

    @property
    def peak(self) -> int:
        """The most at any time."""
        batches = self.candidate + max(self.training, self.measuring)
        return self.inputs + max(self.features, self.models + max(batches, self.scaling))


def plan_memory(work: Workload) -> MemoryPlan:
    """Return the memory of the run.

    The twins exist until the end, also while a third model is trained on a candidate's rows; beside them the first
    twin's weights before training. What is known only while a run lasts is left out: fragments, buffers of libraries,
    gradients of single rows.
    """
    if work.plan.method in UNTRAINED:
        return MemoryPlan(0, 0, _resident(work), 0, 0, 0, row=0, features=work.features_bytes)
    row = work.size.saved_bytes + work.stored_row
    row += AUGMENTED * FLOAT * prod(work.shape) if work.proxy.training.augment else 0
    at_once = work.size.rows_at_once or work.rows
    measured = min(work.rows, at_once, measuring_batch_size(work.shape)) // work.proxy.batch_parts
    return MemoryPlan(
        models=_models(work),
        candidate=_trained(work) if most_trials(work.plan) else 0,
        inputs=_resident(work),
        training=ceil(min(_largest_batch(work), at_once) / work.proxy.batch_parts) * row,
        measuring=max(1, measured) * _measured_row(work),
        scaling=SCALING_COPIES * min(SCALING_BYTES, 8 * work.rows * prod(work.shape)),
        row=row,
        features=work.features_bytes,
    )


def require_memory(memory: MemoryPlan, work: Workload, *, ceiling: int) -> None:
    """Raise ModelTooLarge, with the field that helps most, if no batch makes the run fit into ``ceiling`` bytes.

    Of texts, whose lengths nobody knows, only the models decide.
    """
    least = max(FEWEST_ROWS * memory.row, _measured_row(work)) if memory.row and not work.is_estimate else 0
    if (needed := max(memory.fixed + least, memory.features + memory.inputs)) > ceiling:
        model, field = _responsible(work, pretrained=work.is_estimate or memory.features > memory.models)
        raise ModelTooLarge(f"{work.proxy.name} {model} takes {_text(needed)} of {_text(ceiling)}", field=field)


def require_batch_memory(memory: MemoryPlan, work: Workload, *, ceiling: int) -> None:
    """Raise ModelTooLarge, with the batch size that would fit, if the run's batches do not fit beside the rest.

    Batches of texts, whose lengths nobody knows, are not checked.
    """
    taken = memory.fixed + memory.training
    if taken > ceiling and not work.is_estimate:
        fitting = (ceiling - memory.fixed) // memory.row * work.proxy.batch_parts
        fact = f"A batch_size of {work.proxy.training.batch_size} takes {_text(taken)} of {_text(ceiling)}"
        raise ModelTooLarge(f"{fact}, one of {max(FEWEST_ROWS, fitting)} would fit", field="proxy.batch_size")


def _responsible(work: Workload, *, pretrained: bool) -> tuple[str, str]:
    """What takes so much memory, in words, and the request's field that changes it."""
    if pretrained:
        return f"with {work.proxy.training.model}", "proxy.model"
    return f"on inputs of shape {work.shape}", "dataset.image_size" if work.resizable else "proxy.name"


def _models(work: Workload) -> int:
    """Of the first twin before training, and of the twins; a rival's next model is built before its last one goes."""
    untrained = FLOAT * work.size.parameters
    others = TWINS * _trained(work) if work.plan.method == "ted" else untrained + _trained(work)
    return work.size.frozen_bytes + untrained + others


def _trained(work: Workload) -> int:
    return trained_bytes(work.size, STATES[work.proxy.family.optimizer])


def _largest_batch(work: Workload) -> int:
    """Return the rows of the largest batch.

    A twin trains on half of the rows, a candidate's model on at most those that are kept.
    """
    rows = ceil(work.rows / TWINS) if work.plan.method == "ted" else work.rows
    kept = work.plan.rows_kept(work.rows) if most_trials(work.plan) else 0
    return min(work.proxy.training.batch_size, max(rows, kept))


def _resident(work: Workload) -> int:
    inputs = (work.rows if work.held is None else work.held) * work.stored_row
    mapped = work.memory_bytes is not None and inputs * INPUTS_SHARE > work.memory_bytes
    return ROW_BYTES * work.rows + (0 if mapped else inputs)


def _measured_row(work: Workload) -> int:
    return work.stored_row + FLOAT * prod(work.shape) + AT_ONCE * work.size.largest_bytes


def _text(size: int) -> str:
    return f"{size / UNIT:,.0f} MiB"
