"""The provenance of a manifest."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from ted_core.datasets import DatasetIdentity, DatasetSpec, Samples
from ted_core.machine.device import describe_device, determinism
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import parameter_count, weights_digest
from ted_core.results.provenance import (
    CandidateFacts,
    CostFacts,
    DatasetFacts,
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

VERSIONED_PACKAGES = ("ted-coreset", "torch", "numpy", "pyarrow", "pillow")
PRETRAINED_PACKAGES = ("transformers", "tokenizers", "peft", "gguf")
"""What has a say in the rows if the proxy starts from a pretrained model."""


def package_versions(proxy: ResolvedProxy) -> dict[str, str]:
    """Return the versions of everything that has a say in the rows."""
    used = VERSIONED_PACKAGES + (PRETRAINED_PACKAGES if proxy.model_path else ())
    return {"python": platform.python_version()} | {name: version(name) for name in used}


@dataclass(frozen=True)
class ProvenanceBuilder:
    """A selection that has been made, and how."""

    dataset: DatasetFacts
    plan: PruningPlan
    proxy: ResolvedProxy
    samples: Samples
    base_model: BaseModel | None
    """The first twin before its training; None if nothing was trained."""
    final: Round
    device: str
    seconds: float
    accuracy: ProxyAccuracy | None = None
    """Of the proxy, on rows that it had not trained on."""
    warnings: tuple[JobWarning, ...] = ()
    job_id: str | None = None
    ranks: int = 1
    """That have worked on it."""
    owners: tuple[OwnerFacts, ...] = ()
    """Which files each of them had; none if each had all."""
    nodes: int = 1
    batch_parts: int = 1

    @property
    def device_description(self) -> str:
        """Return the device in words, and how many ranks have one like it."""
        return describe_device(self.device, ranks=self.ranks, nodes=self.nodes)

    def provenance(self) -> Provenance:
        """Return what the manifest's metadata says besides the selection itself."""
        return Provenance(
            dataset=self.dataset,
            plan=self.plan.model_dump(mode="json"),
            q=self._q(),
            keep_ratio_choice=self.final.ratio_choice and keep_ratio_choice(self.final.ratio_choice),
            proxy=self._proxy(),
            proxy_accuracy=self.accuracy,
            label_noise=label_noise(self.final, self.samples, self.accuracy),
            seed=self.plan.seed,
            owners=self.owners,
            determinism=determinism(self.device, ranks=self.ranks, is_divided=bool(self.owners)),
            cost=self._cost(),
            device=self.device_description,
            versions=package_versions(self.proxy),
            job_id=self.job_id,
            warnings=self.warnings,
            created_at=datetime.now(UTC),
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
            batch_parts=self.batch_parts,
        )


def dataset_facts(spec: DatasetSpec, identity: DatasetIdentity) -> DatasetFacts:
    """Return what a manifest says of the dataset whose files these are."""
    return DatasetFacts(
        **spec.model_copy(update={"format": identity.format}).model_dump(),
        rows=identity.rows,
        shards=tuple(ShardFacts(**vars(shard)) for shard in identity.shards),
        fingerprint=identity.fingerprint,
    )
