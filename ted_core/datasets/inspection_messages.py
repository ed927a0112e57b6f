"""What is said between a process that inspects datasets and the one that has started it: a line of JSON each."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from ted_core import errors
from ted_core.datasets.spec import DatasetSpec
from ted_core.datasets.summary import DatasetSummary
from ted_core.errors import DatasetUnreadable, TedError
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.object_store import is_object_uri

READY = b"ready\n"
"""The first line, once requests are answered at once."""
LOCAL_SECONDS, STORE_SECONDS = 3.5, 30.0
"""How long a look may take: at this machine's disks, and at an object store, whose client waits for about as long
before it says that the store does not answer."""
LOCAL_PROCESSOR_SECONDS, STORE_PROCESSOR_SECONDS = 3.0, 8.0
"""How much of them all threads together may compute instead of waiting."""
ERRORS: Mapping[str, type[TedError]] = {
    error.code(): error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, TedError)
}
"""Those that an inspection may end with, by their codes."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def as_line(self) -> bytes:
        """Return what is sent."""
        return self.model_dump_json().encode() + b"\n"


class InspectionRequest(_Message):
    """Which dataset to look at, and where it may lie."""

    spec: DatasetSpec
    roots: tuple[StorageRoot, ...]

    @property
    def seconds(self) -> float:
        """How long the look may take."""
        return STORE_SECONDS if is_object_uri(self.spec.uri) else LOCAL_SECONDS

    @property
    def processor_seconds(self) -> float:
        """How much processor time the look may take."""
        return STORE_PROCESSOR_SECONDS if is_object_uri(self.spec.uri) else LOCAL_PROCESSOR_SECONDS


class InspectionRefusal(_Message):
    """What a TedError says."""

    code: str
    fact: str
    field: str | None

    def error(self) -> TedError:
        """Return it as an error again; what only an installed package's format raises as DatasetUnreadable."""
        return ERRORS.get(self.code, DatasetUnreadable)(self.fact, field=self.field)


class InspectionAnswer(_Message):
    """What an inspection has come to: one of three."""

    summary: DatasetSummary | None = None
    refusal: InspectionRefusal | None = None
    defect: str | None = None
    """The traceback of an error that has no name."""

    @classmethod
    def refusing(cls, error: TedError) -> "InspectionAnswer":
        """Return the answer that a dataset cannot be used."""
        fact = error.fact.encode(errors="backslashreplace").decode()  # names of files may be no UTF-8
        return cls(refusal=InspectionRefusal(code=error.code(), fact=fact, field=error.field))
