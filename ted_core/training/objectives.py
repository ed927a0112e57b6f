"""What a loss is, what performance and margin are and what counts as right. The only place that knows the task."""

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
from ted_core.training.token_losses import in_parts, token_loss


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
    margin: Callable[[Tensor, Any], Float[Tensor, " samples"]] | None = None
    """(outputs, targets) → the probability of what is right minus that of its strongest rival, in [-1, 1], mean over
    each sample's predictions. Without one, what is not right is taken for a single rival: 2 exp(-loss) - 1."""
    likeliest: Callable[[Tensor], Float[Tensor, " samples"]] | None = None
    """outputs → the number of the class that each sample is taken for; None if not just one class is to be named."""

    def margin_of(self, outputs: Tensor, targets: Any, loss: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
        """Return each sample's margin, given also its loss."""
        return 2 * performance(loss) - 1 if self.margin is None else self.margin(outputs, targets)

    def likeliest_of(self, outputs: Tensor, loss: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
        """Return the number of the class that each sample is taken for; -1 if not just one class is to be named."""
        return torch.full_like(loss, -1) if self.likeliest is None else self.likeliest(outputs)


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


def nan_where_lost(
    values: Float[Tensor, "samples ..."], loss: Float[Tensor, " samples"]
) -> Float[Tensor, "samples ..."]:
    """The values, but NaN where a sample's loss is not finite: the likeliest of outputs that are NaN means nothing."""
    finite = torch.isfinite(loss).reshape(-1, *[1] * (values.ndim - 1))
    return torch.where(finite, values, torch.nan)


def _label_right(
    logits: Float[Tensor, "samples classes"], labels: Int64[Tensor, " samples"]
) -> Float[Tensor, " samples"]:
    return (logits.argmax(1) == labels).float()


def probability_margin(
    logits: Float[Tensor, "predictions options"], right: Int64[Tensor, " predictions"]
) -> Float[Tensor, " predictions"]:
    """The softmax probability of the right option minus the largest of another one."""
    probability = torch.softmax(logits.float(), 1)
    own = probability.gather(1, right[:, None])
    rival = probability.scatter(1, right[:, None], 0.0).amax(1)
    return own[:, 0] - rival


def _labels_loss(
    logits: Float[Tensor, "samples classes"], labels: Float[Tensor, "samples classes"]
) -> Float[Tensor, " samples"]:
    """The mean over the labels."""
    return binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1)


def _labels_right(
    logits: Float[Tensor, "samples classes"], labels: Float[Tensor, "samples classes"]
) -> Float[Tensor, " samples"]:
    return ((logits > 0) == (labels > 0)).float().mean(1)


def _labels_margin(
    logits: Float[Tensor, "samples classes"], labels: Float[Tensor, "samples classes"]
) -> Float[Tensor, " samples"]:
    """The mean over the labels of the probability of yes minus that of no, or the other way round where no is right."""
    return ((2 * torch.sigmoid(logits.float()) - 1) * (2 * labels - 1)).mean(1)


def _answers_loss(logits: Float[Tensor, "answers vocabulary"], answers: Answers) -> Float[Tensor, " samples"]:
    return answers.mean(token_loss(logits, answers.tokens))


def _answers_right(logits: Float[Tensor, "answers vocabulary"], answers: Answers) -> Float[Tensor, " samples"]:
    return answers.mean(in_parts(_token_right, logits, answers.tokens))


def _token_right(
    logits: Float[Tensor, "tokens vocabulary"], tokens: Int64[Tensor, " tokens"]
) -> Float[Tensor, " tokens"]:
    """As for labels, and three times as fast in float32 as in bfloat16."""
    return _label_right(logits.float(), tokens)


def _answers_margin(logits: Float[Tensor, "answers vocabulary"], answers: Answers) -> Float[Tensor, " samples"]:
    return answers.mean(in_parts(probability_margin, logits, answers.tokens))


ONE_CLASS = Task(
    per_sample_loss, _label_right, probability_margin, likeliest=lambda logits: logits.argmax(1).to(torch.float32)
)
MANY_LABELS = Task(_labels_loss, _labels_right, _labels_margin)
NEXT_TOKENS = Task(_answers_loss, _answers_right, _answers_margin)


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
