"""What can go wrong with per-sample gradients."""

from ted_core.errors import TedError


class LayerNotSupported(TedError):
    """A layer's gradient cannot be told apart by sample, neither in closed form nor one sample at a time; replace the
    layer or freeze its parameters."""


class CurvatureMismatch(TedError):
    """The curvature was estimated for other parameters than the model now trains; estimate it anew."""


class DirectionMismatch(TedError):
    """The direction does not fit the model; use the names and shapes that the model's named_parameters have."""
