"""A job as the service describes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ted_client.errors import JobNotSucceeded
from ted_client.flow import JsonObject

TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass(frozen=True)
class JobSnapshot:
    """A job as it stood when the service was asked; ``facts`` is the whole response."""

    facts: JsonObject

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def name(self) -> str | None:
        """The label ``name`` among its metadata, by which the command line finds it; None if it has none."""
        return (self.facts.get("metadata") or {}).get("name")

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
        """Code, message and field of a job that has failed; empty if it has not."""
        return self.facts["error"] or {}

    @property
    def warnings(self) -> Sequence[JsonObject]:
        """Code, field and message of what was accepted, but may not be what was meant, as far as is known.

        The codes are those of docs/api.md; a newer service may know more.
        """
        return self.facts.get("warnings") or []

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended, so that its status will not change again."""
        return self.status in TERMINAL

    def require_success(self) -> Self:
        """Return the job itself. Raise JobNotSucceeded, with the service's reason, unless it has succeeded."""
        if self.status != "succeeded":
            reason = self.error["message"] if self.error else self.facts["status_reason"] or ""
            raise JobNotSucceeded(f"Job {self.id} is {self.status}. {reason}".strip())
        return self
