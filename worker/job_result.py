"""What a job's row says of its manifest, and how fast the job was."""

import resource
import sys
from dataclasses import asdict
from typing import Any

from ted_core.results.provenance import ManifestMetadata
from ted_core.results.writing.provenance_builder import ProvenanceBuilder
from ted_jobs.jobs.spec import JobSpec
from worker.messages import Speed
from worker.timing.throughput import job_speed

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes."""


def job_result(builder: ProvenanceBuilder, written: ManifestMetadata) -> dict[str, Any]:
    """Return what the job's row says about its manifest."""
    return {
        "rows_in": written.dataset.rows,
        "rows_kept": written.rows_kept,
        "achieved_ratio": written.achieved_ratio,
        "dataset_fingerprint": written.dataset.fingerprint,
        "indices_sha256": written.indices_sha256,
        "content_sha256": written.content_sha256,
        "q": written.q.model_dump(),
        "keep_ratio_choice": written.keep_ratio_choice and written.keep_ratio_choice.model_dump(),
        "classes": len(builder.samples.classes),
        "device": written.device,
        "internal_generalization": builder.final.mean_internal_generalization,
        "proxy_accuracy": builder.accuracy and builder.accuracy.model_dump(),
        "label_noise": written.label_noise and written.label_noise.model_dump(),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT,
        "cost": written.cost.model_dump() | {"of_one_full_run": written.cost.of_one_full_run},
        "warnings": list(map(asdict, written.warnings)),
    }


def measured_speed(builder: ProvenanceBuilder, *, seconds: float, spec: JobSpec) -> Speed | None:
    """Return how fast the proxies were trained in the seconds of pruning; None if it says nothing about others."""
    device = builder.device_description
    return job_speed(builder.samples, builder.proxy, builder.final, device=device, seconds=seconds, spec=spec)
