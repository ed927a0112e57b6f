"""Each sample's gradient by the parameters: how long it is, in which metric, and how far it points one way.

The estimate of the internal generalization distance in parameter space, a^q ||∇loss||, rests on these: the gradient's
norm in the metric of the parameters' fluctuations. No gradient of a sample is written out where a closed form exists.
"""

from ted_core.training.gradients.curvature import MOST_CURVATURE_ROWS, Curvature
from ted_core.training.gradients.errors import CurvatureMismatch, DirectionMismatch, LayerNotSupported
from ted_core.training.gradients.forward_mode import directional_derivatives
from ted_core.training.gradients.norms import gradient_norms, preconditioned_norms

__all__ = [
    "MOST_CURVATURE_ROWS",
    "Curvature",
    "CurvatureMismatch",
    "DirectionMismatch",
    "LayerNotSupported",
    "directional_derivatives",
    "gradient_norms",
    "preconditioned_norms",
]
