"""The plan of a pruning run: how much to keep, by which method, with which seed."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["ted", "random"]

DEFAULT_Q = 2.0


class PruningPlan(BaseModel):
    """How a training set is to be pruned. Its bounds are the API's bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_ratio: Annotated[
        float,
        Field(gt=0, lt=1, description="Fraction of the rows that is RETAINED, between 0 and 1.", examples=[0.6]),
    ]
    method: Annotated[Method, Field(description="How rows are chosen.")] = "ted"
    q: Annotated[
        Annotated[float, Field(ge=0, le=16)] | Literal["auto"],
        Field(
            description="Exponent of the performance in the score a^q (1 - a). Small q keeps hard rows, large q keeps "
            "rows that the rest of the data explains. 'auto' is accepted and means 2 until the service can choose; "
            "the manifest says which q was used and how it was chosen."
        ),
    ] = DEFAULT_Q
    rounds: Annotated[
        int | None,
        Field(ge=3, le=1000, description="Pruning rounds; as many as the proxy has epochs where null."),
    ] = None
    class_floor: Annotated[
        float, Field(ge=0, le=1, description="Smallest share of its own rows that every class keeps.")
    ] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of every random choice.")] = 0

    @property
    def effective_q(self) -> float:
        """The exponent in use: the plan's own, or the default where the plan leaves the choice open."""
        return DEFAULT_Q if self.q == "auto" else self.q

    def rows_kept(self, rows: int) -> int:
        """The number of rows that this plan retains of ``rows``, rounded to nearest, never below one."""
        return max(1, round(self.keep_ratio * rows))
