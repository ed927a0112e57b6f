"""The plan of a pruning run: how much to keep, by which method, with which seed."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MethodName = Literal["ted", "random", "stratified", "el2n", "grand", "forgetting", "ccs", "dual"]
ScoreName = Literal["logit", "parameter"]


class PruningPlan(BaseModel):
    """How a training set is to be pruned. Its bounds are the API's bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_ratio: Annotated[
        float,
        Field(gt=0, lt=1, description="Fraction of the rows that is RETAINED, between 0 and 1.", examples=[0.6]),
    ]
    method: Annotated[
        MethodName,
        Field(
            description="How rows are chosen: by internal generalization (ted), or by a baseline: uniformly at random "
            "(random), at random within every class (stratified), or by the published scores el2n, grand, forgetting, "
            "ccs and dual."
        ),
    ] = "ted"
    q: Annotated[
        Annotated[float, Field(ge=0, le=16)] | Literal["auto"],
        Field(
            description="Exponent of the performance in the score a^q (1 - a) of method ted. Small q keeps hard rows, "
            "large q keeps rows that the rest of the data explains. 'auto' trains a proxy on each candidate's "
            "rows, random ones among them, and measures it on rows it was not trained on; the manifest says what was "
            "chosen and why."
        ),
    ] = "auto"
    score: Annotated[
        ScoreName,
        Field(
            description="Where the gradient in the score of method ted is measured: logit, for the price of a forward "
            "pass, or parameter, in the K-FAC metric of all the proxy's parameters, for that of a backward pass."
        ),
    ] = "logit"
    rounds: Annotated[
        int | None,
        Field(
            ge=2,
            le=1000,
            description="Pruning rounds, each at least one epoch of the twins; half as many as the proxy has epochs "
            "if null.",
        ),
    ] = None
    class_floor: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Smallest share of its own rows that every class keeps, rounded down to whole rows; at most "
            "keep_ratio. A class of n rows keeps one for certain from 1/n on. Of a row with several classes the rarest "
            "counts.",
        ),
    ] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of every random choice.")] = 0

    def rows_kept(self, rows: int) -> int:
        """The number of rows that this plan retains of ``rows``, rounded to nearest, never below one."""
        return max(1, round(self.keep_ratio * rows))
