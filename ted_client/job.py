"""A job as the service describes it, and what can be asked about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ted_client.errors import DetachedJob, JobNotSucceeded
from ted_client.flow import JsonObject

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from ted_client.async_client import AsyncClient
    from ted_client.client import Client

TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass(frozen=True)
class JobSnapshot:
    """A job as it stood when the service was asked; ``facts`` is the whole answer."""

    facts: JsonObject

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def status(self) -> str:
        return str(self.facts["status"])

    @property
    def progress(self) -> JsonObject:
        """Phase, round, rounds, fraction, samples_per_second, eta_seconds; empty before the job runs."""
        return self.facts["progress"] or {}

    @property
    def result(self) -> JsonObject:
        """Counts, digests and cost of a job that has succeeded; empty before that."""
        return self.facts["result"] or {}

    @property
    def error(self) -> JsonObject:
        """Code, message and field of a job that has failed; empty where it has not."""
        return self.facts["error"] or {}

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL

    def require_success(self) -> Self:
        """The job itself. Raises JobNotSucceeded with the service's reason."""
        if self.status != "succeeded":
            reason = self.error["message"] if self.error else self.facts["status_reason"] or ""
            raise JobNotSucceeded(f"Job {self.id} is {self.status}. {reason}".strip())
        return self


def ignore_progress(_: JobSnapshot) -> None:
    """Nothing is done about it."""


@dataclass(frozen=True)
class Job(JobSnapshot):
    """A job, and the client that it can be asked through."""

    client: Client | None = field(default=None, repr=False, compare=False)

    def refresh(self) -> Job:
        """The job as it stands now."""
        return self._require_client().job(self.id)

    def wait(self, *, progress: bool = False, on_progress: Callable[[Job], None] = ignore_progress) -> Job:
        """The job once it has ended; see ``Client.wait``."""
        return self._require_client().wait(self.id, progress=progress, on_progress=on_progress)

    def cancel(self) -> Job:
        """The job, cancelled or about to be."""
        return self._require_client().cancel(self.id)

    def download(self, path: Path | str, *, kind: str = "manifest", keep_ratio: float | None = None) -> Path:
        """The manifest at ``path``; see ``Client.download``."""
        return self._require_client().download(self.id, path, kind=kind, keep_ratio=keep_ratio)

    def _require_client(self) -> Client:
        if self.client is None:
            raise DetachedJob(" ".join((DetachedJob.__doc__ or "").split()))
        return self.client


@dataclass(frozen=True)
class AsyncJob(JobSnapshot):
    """A job, and the asynchronous client that it can be asked through."""

    client: AsyncClient | None = field(default=None, repr=False, compare=False)

    async def refresh(self) -> AsyncJob:
        """The job as it stands now."""
        return await self._require_client().job(self.id)

    async def wait(
        self, *, progress: bool = False, on_progress: Callable[[AsyncJob], None] = ignore_progress
    ) -> AsyncJob:
        """The job once it has ended; see ``Client.wait``."""
        return await self._require_client().wait(self.id, progress=progress, on_progress=on_progress)

    async def cancel(self) -> AsyncJob:
        """The job, cancelled or about to be."""
        return await self._require_client().cancel(self.id)

    async def download(self, path: Path | str, *, kind: str = "manifest", keep_ratio: float | None = None) -> Path:
        """The manifest at ``path``; see ``Client.download``."""
        return await self._require_client().download(self.id, path, kind=kind, keep_ratio=keep_ratio)

    def _require_client(self) -> AsyncClient:
        if self.client is None:
            raise DetachedJob(" ".join((DetachedJob.__doc__ or "").split()))
        return self.client
