"""What is calculated a few tokens at a time is what all of them at once give."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ted_core.training import token_losses
from ted_core.training.objectives import probability_margin
from ted_core.training.token_losses import in_parts, token_loss

TOKENS, WORDS = 23, 50


@pytest.fixture(autouse=True)
def _few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five tokens, so that the last part is a smaller one."""
    monkeypatch.setattr(token_losses, "CACHED_NUMBERS", 5 * WORDS)


def logits(kind: torch.dtype = torch.float32, *, tokens: int = TOKENS) -> Tensor:
    return torch.randn(tokens, WORDS, generator=torch.Generator().manual_seed(0)).mul(3).to(kind)


def said(tokens: int = TOKENS) -> Tensor:
    return torch.randint(WORDS, (tokens,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_losses_and_gradients_are_those_of_all_tokens_at_once(kind: torch.dtype) -> None:
    ours, theirs = logits(kind).requires_grad_(), logits(kind).requires_grad_()
    weight = torch.linspace(-1, 2, TOKENS)

    loss = token_loss(ours, said())
    (loss * weight).sum().backward()
    plain = cross_entropy(theirs.float(), said(), reduction="none")
    (plain * weight).sum().backward()

    assert torch.equal(loss, plain)
    assert ours.grad is not None
    assert ours.grad.dtype == kind
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_margins_are_those_of_all_tokens_at_once() -> None:
    margin = in_parts(probability_margin, logits().requires_grad_(), said())

    assert torch.equal(margin, probability_margin(logits(), said()))
    assert not margin.requires_grad


def test_no_tokens_have_no_losses() -> None:
    nothing = logits(tokens=0).requires_grad_()

    token_loss(nothing, said(0)).sum().backward()

    assert nothing.grad is not None
    assert nothing.grad.shape == (0, WORDS)
    assert in_parts(probability_margin, nothing, said(0)).shape == (0,)


def test_a_wrong_gradient_would_show() -> None:
    """Against finite differences, with a step about as small as float32 allows."""
    base, row, word, step = logits(tokens=6), 4, 7, 1e-2
    shifted = [base.clone() for _ in range(2)]
    shifted[0][row, word] += step
    shifted[1][row, word] -= step
    up, down = (token_loss(one, said(6)).sum().item() for one in shifted)

    base.requires_grad_()
    token_loss(base, said(6)).sum().backward()

    assert base.grad is not None
    assert base.grad[row, word].item() == pytest.approx((up - down) / (2 * step), abs=1e-3)
