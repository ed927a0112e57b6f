"""How a request names a dataset. Torch-free: the API reads this."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ted_core.plugins import TaskFamily, name_schema, name_validator, plugin

ARRAYS = ("npz", "idx")
DELIMITED = ("csv", "tsv")
FORMATS = ("parquet", "jsonl", "json", *DELIMITED, "arrow", "hf", "image-folder", "webdataset", *ARRAYS)
IN_MEMORY = "memory"
"""The format, in manifests, of data that lie nowhere; no request has it."""
TASKS = ("image-classification", "tabular-classification", "text-classification", "causal-lm")
FormatName = Annotated[
    str,
    Field(max_length=100, json_schema_extra=name_schema("ted.datasets", FORMATS)),
    AfterValidator(name_validator("ted.datasets", FORMATS)),
]
TaskName = Annotated[
    str,
    Field(max_length=100, json_schema_extra=name_schema("ted.tasks", TASKS)),
    AfterValidator(name_validator("ted.tasks", TASKS)),
]
Missing = Literal["refuse", "impute"]
Background = Literal["white", "black"]
ColumnName = Annotated[str, Field(max_length=1024)]
InputKind = Literal["image", "vector", "text", "dialogue"]
"""What one input of a dataset is to a model."""


class DatasetSpec(BaseModel):
    """A dataset by reference: where it lies, how to read it and which columns are what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4096,
            description="A file or a folder of files, as an absolute path, taken literally, or a file:// URI, in "
            "which # is %23, ? is %3F and % is %25, or an s3:// or gs:// URI; for "
            "formats of rows also a pattern whose last part holds up to eight *, such as /data/part-*.jsonl.",
            examples=["file:///data/train.parquet", "s3://bucket/train.parquet"],
        ),
    ]
    format: Annotated[
        FormatName | None,
        Field(
            description="Where null: the one that names and first bytes show; the answer says which. Formats of rows "
            "take a file, a folder whose files of the format are read in name order, or a pattern. parquet. jsonl: one "
            "JSON object per line. json: an array of objects. csv: a header and rows, separated by commas, or by tabs "
            "where the name ends in .tsv. tsv: the same, always separated by tabs. arrow: IPC files or streams. Text "
            "may be compressed (.gz, .bz2, .zst). hf: the folder that Hugging Face datasets' save_to_disk writes. "
            "image-folder: a folder with one folder of images per class; rows in the order of torchvision's "
            "ImageFolder. webdataset: tar archives (.tar, .tar.gz), whose samples are a .jpg, .png or .webp (or .txt) "
            "and a .cls or .json. npz: named arrays. idx: a folder with an images and a labels "
            "file, gzipped or not. Or one that an installed package adds."
        ),
    ] = None
    task: Annotated[
        TaskName,
        Field(
            description="What the proxy learns: image-classification, tabular-classification, text-classification or "
            "causal-lm, or a task that an installed package adds.",
            examples=["image-classification"],
        ),
    ]
    input: Annotated[
        ColumnName | Annotated[list[ColumnName], Field(min_length=1, max_length=10_000, fail_fast=True)] | None,
        Field(
            description="Column or columns that the proxy sees: one of images; any of numbers, lists of numbers or "
            "categories; one or two of texts; a list of messages, or prompt (of one text or several) and "
            "response, also with system and history. For npz the array's name, for idx the file's. Where "
            "null: 'image' for images; for tables every column of numbers, or of at most 64 different strings, but the "
            "target, ids and what counts the rows; 'text' or 'sentence' for texts; for causal-lm 'messages' or "
            "'conversations', or else 'instruction', 'input' and 'output', or else 'prompt' and 'response' or "
            "'completion', each after 'system' or 'system_prompt' and 'history'; 'x' for npz; the only images file "
            "for idx."
        ),
    ] = None
    target: Annotated[
        ColumnName | Annotated[list[ColumnName], Field(min_length=2, max_length=10_000, fail_fast=True)] | None,
        Field(
            description="Column with the class: integers, strings or booleans. Several classes per row: a column of "
            "lists, which name the row's classes by integers or strings, or several columns of 0 and 1. Where null: "
            "'label', or 'y' for npz, the only labels file for idx. Null for causal-lm, which learns the answers "
            "themselves.",
        ),
    ] = None
    missing: Annotated[
        Missing,
        Field(
            description="What becomes of missing values in a table's inputs. refuse: the job is refused. impute: a "
            "missing number becomes its column's median, and a further column of 0 and 1 tells where; a missing "
            "category is one more category. Lists of numbers, and targets, must be complete.",
        ),
    ] = "refuse"
    image_size: Annotated[
        int | None,
        Field(
            ge=8,
            le=1024,
            description="Height and width in pixels that every encoded image is resized to, bilinearly and without "
            "keeping its aspect ratio. Where null: those of the first image that can be decoded.",
        ),
    ] = None

    split: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=255,
            description="The split to read where files or folders of several lie side by side, which is refused "
            "without it: the files whose names hold it as a word, as in train-00000-of-00002.parquet, train.jsonl or "
            "X_train.csv, or else the folder of this name; in a DatasetDict, the dataset. Case does not matter, and "
            "train also means Training where there is no other. Rows are then counted in the split alone.",
            examples=["train"],
        ),
    ] = None
    exclude: Annotated[
        list[ColumnName] | None,
        Field(
            min_length=1,
            max_length=10_000,
            fail_fast=True,
            description="Columns that are neither inputs nor the dataset's own ids, though their names or types would "
            "make them so. Refused where it would change nothing, and for npz and idx.",
            examples=[["id"]],
        ),
    ] = None
    header: Annotated[
        bool | None,
        Field(
            description="csv and tsv only: whether the first line names the columns. Where null: true, with a warning "
            "if that line looks like a row. Columns without a header are named column_0, column_1 …"
        ),
    ] = None
    quoting: Annotated[
        bool | None,
        Field(
            description="csv and tsv only: whether quotation marks around a value belong to the notation, so that it "
            "may hold separators and line breaks. Where null: true where commas separate, false where tabs do."
        ),
    ] = None
    colour: Annotated[
        bool | None,
        Field(
            description="Whether encoded images become three channels (true) or one (false). Where null: three if any "
            "of them is stored in colour, even if it looks grey."
        ),
    ] = None
    background: Annotated[
        Background | None,
        Field(
            description="What encoded images with transparency are laid on, as a viewer does. Where null: white, and a "
            "warning if there are any."
        ),
    ] = None

    @property
    def has_encoded_images(self) -> bool:
        """Whether image_size may decide about the inputs' shape."""
        return self.base_task == "image-classification" and self.format not in ARRAYS

    @property
    def base_task(self) -> str:
        """TED's own task that says what inputs and targets are: this one, or what an installed task builds on."""
        family = None if self.task in TASKS else plugin("ted.tasks", self.task, TaskFamily)
        return family.base if family else self.task
