"""What a selection is worth: models that are trained on its rows, on random rows and on all rows, and tested alike."""

from ted_core.evaluation.evaluate import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
