"""The plan of a pruning run: how much to keep, by which method, with which seed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

MethodName = Literal["ted", "random", "stratified", "el2n", "grand", "forgetting", "ccs", "dual"]
ScoreName = Literal["margin", "probability", "parameter"]
RuleName = Literal[ScoreName, "random"]
"""What ranked rows at last: a score, or nothing but chance."""
ClassBalance = Literal["free", "keep"]
Sampling = Literal["global", "sharded"]
DEFAULT_Q = 1.0
TWINS = 2
"""The models of a selection by ``ted``. Where several processes work on it, each half of them trains one."""
DEFAULT_TOLERANCE = 0.3
"""Points."""
PROVISIONAL_RATIO = 0.7
"""What rounds work towards until a ratio is chosen."""


Auto = Annotated[Literal["auto"], WithJsonSchema({"type": "string", "enum": ["auto"]})]
"""As an enumeration: clients generated from a constant beside a number refuse the number."""


def _null_by_default(schema: dict[str, Any]) -> None:
    """Change a choice's schema: clients that send every default must not thereby choose something."""
    choice = {"type": schema.pop("type"), "enum": schema.pop("enum")}
    schema |= {"anyOf": [choice, {"type": "null"}], "default": None}


class PruningPlan(BaseModel):
    """How a training set is to be pruned. Its bounds are the API's bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_ratio: Annotated[
        Annotated[Annotated[float, Field(gt=0, lt=1)], Tag("number")] | Annotated[Auto, Tag("word")],
        Discriminator(lambda ratio: "word" if isinstance(ratio, str) and ratio.isalpha() else "number"),
        Field(
            description="Fraction of the rows that is RETAINED, between 0 and 1. 'auto' keeps as few as cost no more "
            "accuracy than `tolerance`, or all of them: after the rounds, proxies are trained on a half of all rows, "
            "and on what TED keeps of it at two ratios, and tested on the other half, which costs up to a full "
            "training run; the report has the curve. Only for method ted.",
            examples=[0.6],
        ),
    ]
    tolerance: Annotated[
        float | None,
        Field(
            gt=0,
            le=100,
            description="With keep_ratio 'auto': the points of accuracy that training on the retained rows may cost "
            "against all rows, by the upper end of the measured interval; 0.3 if null.",
        ),
    ] = None
    method: Annotated[
        MethodName,
        Field(
            description="How rows are chosen: by internal generalization (ted), or by a baseline: uniformly at random "
            "(random), at random within every class (stratified), or by the published scores el2n, grand, forgetting, "
            "ccs and dual."
        ),
    ] = "ted"
    score: Annotated[
        ScoreName,
        Field(
            description="What method ted ranks rows by, as measured by models that have not trained on them: margin, "
            "the probability of the label minus that of its strongest rival, without labels that look wrong; "
            "probability, that of the label alone, in the score a^q (1 - a); or parameter, the same with the gradient "
            "in the K-FAC metric of all the proxy's parameters, for the price of a backward pass. If null, "
            "margin, or probability where q is set; plans that are returned name it.",
            json_schema_extra=_null_by_default,
        ),
    ] = "margin"
    q: Annotated[
        Annotated[float, Field(ge=0, le=16)] | Auto | None,
        Field(
            description="Exponent of the scores probability (the default score where q is set) and parameter; 1 if "
            "null. Small q keeps hard rows, large q keeps rows that the rest of the data explains. 'auto' searches for "
            "it: a proxy is trained on each candidate's rows, random ones among them, and measured on rows it was not "
            "trained on, which costs up to a full training run; the manifest says what was chosen and why. The score "
            "margin has no exponent."
        ),
    ] = None
    guard: Annotated[
        bool,
        Field(
            description="Whether TED's rows are compared with random ones, drawn evenly over classes and over easy and "
            "hard rows: one proxy is trained on each and measured on rows it was not trained on. Random rows are "
            "returned if they are ahead by more than a standard error; the report states the difference and its "
            "interval. This costs at most half a full training run if the proxy trains for four epochs or more. Only "
            "for method ted; q 'auto' tries random rows anyway."
        ),
    ] = False
    rounds: Annotated[
        int | None,
        Field(
            ge=1,
            le=1000,
            description="Pruning rounds, each at least one epoch of the twins; a sixth as many as the proxy has "
            "epochs if null, at least three; a single one, in which twins train on all rows and rows are chosen once, "
            "if the proxy has fewer than four epochs.",
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
    class_balance: Annotated[
        ClassBalance,
        Field(
            description="Whether the classes' shares may change (free), or each class is drawn at keep_ratio, up to "
            "whole rows (keep). Of a row with several classes the rarest counts."
        ),
    ] = "free"
    sampling: Annotated[
        Sampling,
        Field(
            description="Where a worker has several ranks: whether each of them reads the whole dataset (global), or "
            "only files of its own, of which every batch has a fixed quota (sharded), so that inputs take each rank "
            "its share of the memory. Sharded is for method ted, on images and tables in several files of Parquet or "
            "WebDataset."
        ),
    ] = "global"
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of every random choice.")] = 0

    @model_validator(mode="before")
    @classmethod
    def _match_score_and_exponent(cls, plan: Any) -> Any:
        """Only a score with an exponent has one. ``logit`` is what ``probability`` was called before."""
        if not isinstance(plan, dict):
            return plan
        q, score = plan.get("q"), plan.get("score")
        if score is None:
            score = "margin" if q is None else "probability"
        score = "probability" if score == "logit" else score
        return plan | {"score": score, "q": DEFAULT_Q if q is None and score != "margin" else q}

    @model_validator(mode="after")
    def _write_out_tolerance(self) -> "PruningPlan":
        if self.keep_ratio == "auto" and self.tolerance is None:
            object.__setattr__(self, "tolerance", DEFAULT_TOLERANCE)
        return self

    @property
    def ratio(self) -> float:
        """The fraction that is retained; while it is left open, what rounds work towards."""
        return PROVISIONAL_RATIO if self.keep_ratio == "auto" else self.keep_ratio

    def keeping(self, ratio: float) -> "PruningPlan":
        """The same plan with this ratio, which may be 1."""
        return self.model_copy(update={"keep_ratio": ratio, "tolerance": None})

    def rows_kept(self, rows: int) -> int:
        """The number of rows that this plan retains of ``rows``, rounded to nearest, never below one."""
        return max(1, round(self.ratio * rows))
