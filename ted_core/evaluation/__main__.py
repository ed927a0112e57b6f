"""``python -m ted_core.evaluation``: prove what a manifest is worth, on models of a proxy's kind.

It reads a JSON document from standard input, and writes one for each model when it is known, and one for them all.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from ted_core.datasets import DatasetSpec, Limits, Samples, load
from ted_core.errors import TedError
from ted_core.evaluation.evaluate import SEEDS, TOLERANCE, Evaluation, evaluate
from ted_core.evaluation.proxy_models import ProxyModels
from ted_core.machine.processors import processor_count
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.results.manifest import anywhere, read_manifest, spec_at, verify

REFUSED = 2


class EvaluationRequest(BaseModel):
    """What is judged, and with which models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Path
    train: str | None = None
    """Where the manifest's dataset lies now; where it lay then, unless set."""
    test: str
    test_split: str | None = None
    proxy: ProxySpec | None = None
    """The one that judged the rows, unless set."""
    seeds: int = Field(SEEDS, ge=1, le=100)
    tolerance: float = Field(TOLERANCE, gt=0, le=100)
    device: str = "auto"
    """``auto`` takes CUDA where it is available."""


def main() -> None:
    """Evaluate what standard input describes, on all processors that this process may use."""
    request, threads = EvaluationRequest.model_validate_json(sys.stdin.read()), processor_count()
    torch.set_num_threads(threads)
    try:
        _tell("evaluation", run(request, threads=threads))
    except TedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(REFUSED)


def run(request: EvaluationRequest, *, threads: int) -> Evaluation:
    """Train and test the models. Raises ManifestMismatch, SplitsDiffer, and what loading and training raise."""
    manifest = read_manifest(request.manifest)
    dataset = request.train or manifest.metadata.dataset.uri
    verify(manifest, dataset)
    train = _load(spec_at(dataset, manifest), threads=threads)
    test = _load(spec_at(request.test, manifest, split=request.test_split), threads=threads)
    facts = manifest.metadata.proxy
    proxy = resolve_proxy(request.proxy or ProxySpec(name=facts.name, **facts.settings), kind=train.kind)
    return evaluate(
        ProxyModels(train, test, proxy, _device(request.device)),
        manifest.row_indices,
        train.row_index.astype(np.int64),
        seeds=request.seeds,
        tolerance=request.tolerance,
        on_run=lambda one: _tell("run", one),
    )


def _device(asked: str) -> str:
    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"


def _load(spec: DatasetSpec, *, threads: int) -> Samples:
    return load(spec, roots=anywhere(spec), limits=Limits(threads))


def _tell(kind: str, what: BaseModel) -> None:
    line: dict[str, Any] = {"kind": kind, **what.model_dump(mode="json")}
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
