"""The provenance of a manifest, and its summary that the API shows."""

import platform
import resource
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ted_core.datasets import DatasetIdentity, Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import parameter_count, weights_digest
from ted_core.results.provenance import (
    CandidateFacts,
    CostFacts,
    DatasetFacts,
    ManifestMetadata,
    OwnerFacts,
    Provenance,
    ProxyAccuracy,
    ProxyFacts,
    QChoice,
    ShardFacts,
)
from ted_core.results.ratio_facts import keep_ratio_choice
from ted_core.results.suspects.label_noise import label_noise
from ted_core.selection.base_model import BaseModel
from ted_core.selection.rounds import Round
from ted_core.selection.workload import preparation
from ted_core.warnings import JobWarning
from worker.device import describe_device, determinism
from worker.messages import Assignment, Speed
from worker.timing.throughput import job_speed

VERSIONED_PACKAGES = ("ted-coreset", "torch", "numpy", "pyarrow", "pillow")
PRETRAINED_PACKAGES = ("transformers", "tokenizers", "peft", "gguf")
"""What has a say in the rows if the proxy starts from a pretrained model."""

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes."""


def package_versions(proxy: ResolvedProxy) -> dict[str, str]:
    """Return the versions of everything that has a say in the rows."""
    used = VERSIONED_PACKAGES + (PRETRAINED_PACKAGES if proxy.model_path else ())
    return {"python": platform.python_version()} | {name: version(name) for name in used}


@dataclass(frozen=True)
class ProvenanceBuilder:
    """The facts of one finished attempt."""

    assignment: Assignment
    proxy: ResolvedProxy
    samples: Samples
    identity: DatasetIdentity
    base_model: BaseModel | None
    """The first twin before its training; None if nothing was trained."""
    final: Round
    device: str
    ranks: int
    """That have worked on it."""
    owners: tuple[OwnerFacts, ...]
    """Which files each of them had; none if each had all."""
    seconds: float
    accuracy: ProxyAccuracy | None = None
    """Of the proxy, on rows that it had not trained on."""
    warnings: tuple[JobWarning, ...] = ()

    def provenance(self) -> Provenance:
        """Return what the manifest's metadata says besides the selection itself."""
        spec = self.assignment.spec
        return Provenance(
            dataset=self._dataset(),
            plan=spec.plan.model_dump(mode="json"),
            q=self._q(),
            keep_ratio_choice=self.final.ratio_choice and keep_ratio_choice(self.final.ratio_choice),
            proxy=self._proxy(),
            proxy_accuracy=self.accuracy,
            label_noise=label_noise(self.final, self.samples, self.accuracy),
            seed=spec.plan.seed,
            owners=self.owners,
            determinism=determinism(self.device, ranks=self.ranks, is_divided=bool(self.owners)),
            cost=self._cost(),
            device=describe_device(self.device, ranks=self.ranks, nodes=self.assignment.nodes),
            versions=package_versions(self.proxy),
            job_id=self.assignment.job_id,
            warnings=self.warnings,
            created_at=datetime.now(UTC),
        )

    def result(self, written: ManifestMetadata) -> dict[str, Any]:
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
            "classes": len(self.samples.classes),
            "device": written.device,
            "internal_generalization": self.final.mean_internal_generalization,
            "proxy_accuracy": self.accuracy and self.accuracy.model_dump(),
            "label_noise": written.label_noise and written.label_noise.model_dump(),
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT,
            "cost": written.cost.model_dump() | {"of_one_full_run": written.cost.of_one_full_run},
            "warnings": list(map(asdict, written.warnings)),
        }

    def speed(self, seconds: float) -> Speed | None:
        """Return how fast the proxies were trained in the seconds of pruning; None if it says nothing about others."""
        device = describe_device(self.device, ranks=self.ranks, nodes=self.assignment.nodes)
        spec = self.assignment.spec
        return job_speed(self.samples, self.proxy, self.final, device=device, seconds=seconds, spec=spec)

    def _dataset(self) -> DatasetFacts:
        spec = self.assignment.spec.dataset.model_copy(update={"format": self.identity.format})
        return DatasetFacts(
            **spec.model_dump(),
            rows=self.identity.rows,
            shards=tuple(ShardFacts(**vars(shard)) for shard in self.identity.shards),
            fingerprint=self.identity.fingerprint,
        )

    def _q(self) -> QChoice:
        used = {"rule": self.final.rule, "value": self.final.q}
        if self.final.choice is None:
            return QChoice(**used, chosen_by="plan")
        facts = tuple(CandidateFacts(**vars(candidate)) for candidate in self.final.choice.candidates)
        return QChoice(**used, chosen_by=self.final.choice.reason, candidates=facts)

    def _proxy(self) -> ProxyFacts:
        proxy = self.proxy
        settings = proxy.training.model_dump(exclude={"name"})
        if self.base_model is None:
            return ProxyFacts(name=proxy.name, settings=settings)
        count, digest = parameter_count(self.base_model.model), weights_digest(self.base_model.model)
        return ProxyFacts(name=proxy.name, settings=settings, parameters=count, initial_weights_sha256=digest)

    def _cost(self) -> CostFacts:
        choices = (self.final.choice, self.final.ratio_choice)
        return CostFacts(
            rows_trained=self.final.samples_trained,
            rows_measured=self.final.samples_measured + (self.base_model.rows_measured if self.base_model else 0),
            rows_trained_choosing=sum(choice.samples_trained for choice in choices if choice),
            full_run_rows=len(self.samples) * self.proxy.training.epochs,
            preparation=round(preparation(len(self.samples), self.proxy), 3) if self.final.samples_trained else 0.0,
            seconds=round(self.seconds, 3),
            batch_parts=self.assignment.batch_parts,
        )
