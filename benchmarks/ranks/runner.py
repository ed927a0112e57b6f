"""What the service's runner is told, and what it answers, without a service."""

import json
from pathlib import Path
from typing import Any

from ted_core.datasets import DatasetSpec, inspect
from ted_jobs.jobs.spec import JobSpec
from worker.messages import Assignment


def until_staged(messages: Any) -> dict[str, Any]:
    """Read a runner's messages until everything is written, and return the last one. Raise RuntimeError if it fails."""
    for line in messages:
        message: dict[str, Any] = json.loads(line)
        if message["kind"] == "staged":
            return message
        if message["kind"] == "failed":
            raise RuntimeError(message["message"])
    raise RuntimeError("the runner has ended without a result")


def assignment(dataset: DatasetSpec, spec: JobSpec, ranks: int, folder: Path) -> Assignment:
    """The assignment of this job for so many ranks of one thread."""
    roots = (Path(dataset.uri).parent,)
    return Assignment(
        job_id="job_benchmark",
        spec=spec,
        dataset_guard=inspect(dataset, roots=roots).change_token,
        dataset_roots=roots,
        folder=folder,
        device="cpu",
        ranks=ranks,
        threads=ranks,
        memory_bytes=None,
        max_undecodable=0,
    )
