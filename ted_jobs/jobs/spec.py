"""What a client submits: a dataset, a proxy, a plan, and its own labels."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ted_core.datasets.spec import DatasetSpec
from ted_core.plan import PruningPlan
from ted_core.proxies.spec import ProxySpec

MetadataKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
MetadataValue = Annotated[str, Field(max_length=512)]


class JobSpec(BaseModel):
    """A pruning job as a client submits it and as a worker reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: DatasetSpec
    proxy: ProxySpec
    plan: PruningPlan
    metadata: Annotated[
        dict[MetadataKey, MetadataValue],
        Field(
            max_length=16,
            description="Up to 16 labels of the client's own; stored and returned as they are.",
            json_schema_extra={"additionalProperties": False, "propertyNames": {"maxLength": 64}},
        ),
    ] = {}
    deadline_seconds: Annotated[
        int | None,
        Field(ge=1, le=30 * 86400, description="The job expires unless it has finished this long after submission."),
    ] = None
    strict: Annotated[
        bool,
        Field(description="Whether the job is refused, or fails, where it would otherwise go on with a warning."),
    ] = False
    report_samples: Annotated[
        bool,
        Field(
            description="Whether the report shows the rows that it names, and the estimate the first row: thumbnails, "
            "texts, records. False for data that nobody but the worker may see."
        ),
    ] = True
