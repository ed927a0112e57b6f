"""Map values to positions on a drawing, and choose the ticks of an axis."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

STEPS = (1, 2, 5, 10)
ROUNDING = 1e-9
UNITS = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
"""The smallest value that a label gives in this unit, the unit, and its suffix."""


@dataclass(frozen=True)
class Scale:
    """A linear map from the values ``low`` to ``high`` to the positions ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of the value, rounded to a hundredth of a pixel."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, about: int) -> "tuple[Tick, ...]":
        """Return about ``about`` ticks at round values between low and high."""
        return tuple(Tick(self(value), label(value)) for value in _round_values(self.low, self.high, about))

    def whole_ticks(self, about: int) -> "tuple[Tick, ...]":
        """Return about ``about`` ticks, or fewer, at whole numbers: there is nothing between two rounds."""
        return tuple(tick for tick in self.ticks(about) if "." not in tick.label)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


def _round_values(low: float, high: float, about: int) -> Iterator[float]:
    if not high > low:
        yield low
        return
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((step * power for step in STEPS), key=lambda step: abs(math.log(step / rough)))
    for number in range(math.ceil(low / step - ROUNDING), math.floor(high / step + ROUNDING) + 1):
        yield number * step


def label(value: float) -> str:
    """Write the value as briefly as an axis allows: 0.25, 1,500, 20k, 1.5M."""
    for least, unit, suffix in UNITS:
        if abs(value) >= least:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"
