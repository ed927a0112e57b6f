"""One colour for each reason, the same wherever it is drawn."""

from ted_core.results.decisions import Reason

COLOURS = {
    Reason.KEPT.phrase: "kept",
    Reason.CLASS_FLOOR.phrase: "floor",
    Reason.WELL_GENERALIZED.phrase: "well",
    Reason.RANDOM.phrase: "pruned",
    Reason.SCORED_LOWER.phrase: "other",
    Reason.POORLY_GENERALIZED.phrase: "poor",
    Reason.UNKNOWN.phrase: "other",
    Reason.UNDECODABLE.phrase: "undecodable",
}
"""The style of each reason, in the order in which they are drawn."""


def colour(reason: str) -> str:
    """Return the style of a reason; grey for one that this version does not know."""
    return COLOURS.get(reason, "other")


def drawing_order(reason: str) -> int:
    """Return the position of a reason in the drawing order, retained rows first."""
    return [*COLOURS, reason].index(reason)
