"""Rows whose labels look wrong, as they travel over HTTP."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.results.provenance import LabelNoise


class _ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class Suspect(_ResponseModel):
    """A row to which models that have never seen it give another class than its label."""

    rank: Annotated[int, Field(description="1 is the most suspicious row.")]
    row_index: Annotated[int, Field(description="The row of the dataset, counted from 0.")]
    sample_key: Annotated[str | None, Field(description="The dataset's own id of the row, if it has one.")]
    label: Annotated[
        str | None, Field(description="Of several labels the rarest; null for causal-lm, whose rows have none.")
    ]
    likeliest: Annotated[
        str | None,
        Field(
            description="The class that the row was taken for when it was last measured; null if that was its label, "
            "or if rows have not one class each."
        ),
    ]
    suspicion: Annotated[
        float,
        Field(
            description="What ranks the rows: the logarithm of the odds that the label is wrong, up to a constant, by "
            "the last measurement; where rows have not one class each, the negative margin."
        ),
    ]
    margin: Annotated[
        float,
        Field(
            description="Probability of the label minus that of its strongest rival, mean over all measurements: "
            "below 0, down to -1."
        ),
    ]
    kept: Annotated[bool, Field(description="Whether the row was retained.")]


class SuspectList(_ResponseModel):
    """A page of the rows whose labels look wrong, the most suspicious first."""

    object: Literal["list"] = "list"
    data: list[Suspect]
    has_more: bool
    next: Annotated[int | None, Field(description="Pass as `after` for the next page; null on the last.")]
    label_noise: Annotated[
        LabelNoise | None, Field(description="How many labels look wrong altogether; null if that is not estimated.")
    ]
    note: Annotated[str | None, Field(description="Why there is no estimate; null if there is one.")]
