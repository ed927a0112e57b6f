"""How a request names a dataset. Torch-free: the API reads this."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["parquet", "npz", "idx"]
Task = Literal["image-classification", "tabular-classification", "text-classification", "causal-lm"]
ColumnName = Annotated[str, Field(max_length=1024)]


class DatasetSpec(BaseModel):
    """A dataset by reference: where it lies, how to read it and which columns are what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4096,
            description="A file or a folder of files, as an absolute path or a file:// URI.",
            examples=["file:///data/train.parquet"],
        ),
    ]
    format: Annotated[
        Format,
        Field(
            description="parquet: a file, or a folder whose *.parquet files are read in name order. npz: named arrays. "
            "idx: a folder with an images and a labels file, gzipped or not."
        ),
    ] = "parquet"
    task: Annotated[Task, Field(description="What the proxy learns.")]
    input: Annotated[
        ColumnName | Annotated[list[ColumnName], Field(min_length=1, max_length=10_000)] | None,
        Field(
            description="Column (or, for several numeric columns, columns) that the proxy sees; for npz the array's "
            "name, for idx the file's name. Where null: 'image' for images, every numeric column but the target for "
            "tables, 'x' for npz, the only images file for idx."
        ),
    ] = None
    target: Annotated[
        ColumnName | None,
        Field(
            description="Column with the class: integers, strings or booleans. Where null: 'label' for Parquet, 'y' "
            "for npz, the only labels file for idx.",
        ),
    ] = None
