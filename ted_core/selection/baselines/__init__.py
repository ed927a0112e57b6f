"""Baselines: other ways of choosing rows, for comparison and as methods of their own."""

from collections.abc import Mapping

from ted_core.selection.baselines.ccs import by_coverage
from ted_core.selection.baselines.dual import by_difficulty_and_uncertainty
from ted_core.selection.baselines.early import by_error_norm, by_gradient_norm
from ted_core.selection.baselines.forgetting import by_forgetting
from ted_core.selection.baselines.random import at_random, stratified_random
from ted_core.selection.execution import Method

METHODS: Mapping[str, Method] = {
    "random": at_random,
    "stratified": stratified_random,
    "el2n": by_error_norm,
    "grand": by_gradient_norm,
    "forgetting": by_forgetting,
    "ccs": by_coverage,
    "dual": by_difficulty_and_uncertainty,
}
