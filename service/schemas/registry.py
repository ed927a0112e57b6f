"""What travels over HTTP about registered names."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.datasets import DatasetSummary
from ted_core.datasets.spec import DatasetSpec, InputKind
from ted_core.datasets.understood import Understood
from ted_core.proxies.spec import FAMILIES, ProxySpec, Training, family_of
from ted_core.warnings import JobWarning
from ted_jobs.registry import NAME_PATTERN, Registration

RegisteredName = Annotated[
    str,
    Field(
        pattern=f"^{NAME_PATTERN.pattern}$",
        description="1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit.",
        examples=["digits"],
    ),
]


class NewDataset(DatasetSpec):
    """A dataset, and the name that jobs may use instead of all this."""

    name: RegisteredName

    def document(self) -> dict[str, object]:
        """Return what the name stands for in a job."""
        return self.model_dump(mode="json", exclude={"name"}, exclude_unset=True)


class NewProxy(BaseModel):
    """A proxy with settings, and the name that jobs may use instead of all this."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: RegisteredName
    proxy: ProxySpec


class Dataset(BaseModel):
    """A registered dataset, as it was then."""

    model_config = ConfigDict(frozen=True)

    id: str
    object: Literal["dataset"] = "dataset"
    name: str
    reference: Annotated[DatasetSpec, Field(description="What the name stands for.")]
    rows: Annotated[int | None, Field(description="Null if counting them would have taken too long.")]
    columns: list[str]
    guard: Annotated[str, Field(description="Changes when a file's name, size, time or, if they are counted, rows do.")]
    changed: Annotated[
        bool | None,
        Field(description="Whether it is another one by now; null if nobody has looked, or if it cannot be told."),
    ] = None
    warnings: Annotated[
        tuple[JobWarning, ...],
        Field(description="What was accepted when it was registered, but may not be what was meant."),
    ] = ()
    understood: Annotated[
        Understood | None,
        Field(description="What it is taken for by now; null in lists, and if nobody could look."),
    ] = None
    created_at: datetime

    @classmethod
    def of(cls, registration: Registration, summary: DatasetSummary | None = None) -> "Dataset":
        """Return the registration as its client sees it, beside what its dataset is by now, if somebody has looked."""
        facts = {name: getattr(registration, name) for name in ("id", "name", "created_at")}
        reference = DatasetSpec.model_validate(registration.document)
        dataset = cls(**facts, **registration.facts, reference=reference)
        if summary is None:
            return dataset
        same = summary.matches(dataset.guard)
        changed = None if same is None else not same
        return dataset.model_copy(update={"changed": changed, "understood": summary.understood})


class DatasetList(BaseModel):
    """A page of registered datasets, by name."""

    object: Literal["list"] = "list"
    data: list[Dataset]
    has_more: bool
    next: Annotated[str | None, Field(description="Pass as `after` for the next page; null on the last.")]


class Proxy(BaseModel):
    """A proxy that jobs may name, and how it is trained unless they say otherwise."""

    model_config = ConfigDict(frozen=True)

    object: Literal["proxy"] = "proxy"
    id: Annotated[str | None, Field(description="Of a registered one.")] = None
    name: str
    origin: Annotated[
        Literal["built-in", "plug-in", "registered"],
        Field(description="Part of TED, of an installed package, or a name of your own for one of these."),
    ]
    takes: Annotated[list[InputKind], Field(description="Inputs that the proxy can learn from.")]
    defaults: Training
    created_at: datetime | None = None

    @classmethod
    def installed(cls, name: str) -> "Proxy":
        """Return the installed proxy of this name."""
        origin: Literal["built-in", "plug-in"] = "built-in" if name in FAMILIES else "plug-in"
        return cls(name=name, origin=origin, **_training_fields(ProxySpec(name=name)))

    @classmethod
    def registered(cls, registration: Registration) -> "Proxy":
        """Return the registration as its client sees it."""
        facts = {name: getattr(registration, name) for name in ("id", "name", "created_at")}
        return cls(**facts, origin="registered", **_training_fields(ProxySpec.model_validate(registration.document)))


def _training_fields(proxy: ProxySpec) -> dict[str, object]:
    return {"takes": sorted(family_of(proxy.name).takes), "defaults": Training.of(proxy)}


class ProxyList(BaseModel):
    """All proxies that a job may name: the installed ones, then the registered ones by name."""

    object: Literal["list"] = "list"
    data: list[Proxy]
