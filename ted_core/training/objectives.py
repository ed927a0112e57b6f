"""What a loss is, what performance is and what counts as right. The only place that knows the task."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ted_core.datasets import Samples
from ted_core.plugins import TaskFamily, plugin


@dataclass(frozen=True)
class Answers:
    """What a language model is to say: the answers' tokens of a batch of dialogues, one dialogue after another."""

    tokens: Int64[Tensor, " answers"]
    sample: Int64[Tensor, " answers"]
    """The dialogue of the batch that each token belongs to."""
    samples: int
    """Dialogues in the batch."""

    def __len__(self) -> int:
        return self.samples

    def mean(self, values: Float[Tensor, " answers"]) -> Float[Tensor, " samples"]:
        """The mean over the answer's tokens, for every dialogue."""
        counts = torch.bincount(self.sample, minlength=self.samples).clamp(min=1)
        return torch.zeros(self.samples, device=values.device).index_add(0, self.sample, values.float()) / counts


@dataclass(frozen=True)
class Task:
    """How a model's output is compared with what it should have been."""

    loss: Callable[[Tensor, Any], Float[Tensor, " samples"]]
    """(outputs, targets) → the loss of each sample, in nats."""
    right: Callable[[Tensor, Any], Float[Tensor, " samples"]]
    """(outputs, targets) → the share of each sample's predictions that are right: 0 or 1 if it has only one."""


def per_sample_loss(
    logits: Float[Tensor, "samples classes"], labels: Int64[Tensor, " samples"]
) -> Float[Tensor, " samples"]:
    """Cross-entropy of each sample, in nats."""
    return cross_entropy(logits, labels, reduction="none")


def performance(loss: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    """a = exp(-loss), in (0, 1].

    The probability of the true label; for a sample with several labels, or an answer of several tokens, the geometric
    mean of their probabilities.
    """
    return torch.exp(-loss)


def _label_right(
    logits: Float[Tensor, "samples classes"], labels: Int64[Tensor, " samples"]
) -> Float[Tensor, " samples"]:
    return (logits.argmax(1) == labels).float()


def _labels_loss(
    logits: Float[Tensor, "samples classes"], labels: Float[Tensor, "samples classes"]
) -> Float[Tensor, " samples"]:
    """The mean over the labels."""
    return binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1)


def _labels_right(
    logits: Float[Tensor, "samples classes"], labels: Float[Tensor, "samples classes"]
) -> Float[Tensor, " samples"]:
    return ((logits > 0) == (labels > 0)).float().mean(1)


def _answers_loss(logits: Float[Tensor, "answers vocabulary"], answers: Answers) -> Float[Tensor, " samples"]:
    return answers.mean(cross_entropy(logits.float(), answers.tokens, reduction="none"))


def _answers_right(logits: Float[Tensor, "answers vocabulary"], answers: Answers) -> Float[Tensor, " samples"]:
    return answers.mean((logits.argmax(1) == answers.tokens).float())


ONE_CLASS = Task(per_sample_loss, _label_right)
MANY_LABELS = Task(_labels_loss, _labels_right)
NEXT_TOKENS = Task(_answers_loss, _answers_right)


def task_of(samples: Samples) -> Task:
    """The task that these samples set."""
    family = plugin("ted.tasks", samples.task, TaskFamily) if samples.task else None
    if family:
        module, attribute = family.task.split(":")
        task: Task = getattr(import_module(module), attribute)
        return task
    if samples.kind == "dialogue":
        return NEXT_TOKENS
    return MANY_LABELS if samples.multi_label else ONE_CLASS
