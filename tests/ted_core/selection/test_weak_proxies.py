"""Real data and proxies that cannot learn them: the run ends, or says what it is worth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.datasets import BENCHMARKS, at_most
from ted_core.datasets import Samples
from ted_core.errors import TrainingDiverged
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.decisions import Decisions, Reason
from ted_core.results.explain import decide
from ted_core.results.provenance import ProxyAccuracy
from ted_core.results.proxy_accuracy import proxy_accuracy
from ted_core.results.selection_warnings import selection_warnings
from ted_core.selection.prune import prune

JUDGEMENTS = {Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED}


@dataclass(frozen=True)
class Finished:
    """A run, as far as what it says about itself is concerned."""

    accuracy: ProxyAccuracy
    decisions: Decisions

    @property
    def warnings(self) -> list[str]:
        return [warning.code for warning in selection_warnings(self.decisions, accuracy=self.accuracy)]

    @property
    def reasons(self) -> set[Reason]:
        return set(map(Reason, self.decisions.reason))


def finished(samples: Samples, proxy: dict[str, Any], **plan: Any) -> Finished:
    chosen = PruningPlan.model_validate({"keep_ratio": 0.5, "q": 1.0} | plan)
    *_, final = prune(samples, chosen, proxy=ProxySpec.model_validate(proxy))
    accuracy = proxy_accuracy(final.predictions, samples)
    assert accuracy is not None
    return Finished(accuracy, decide(final, samples, chosen, accuracy=accuracy))


def test_digits_with_the_proxys_own_training_are_learned(digits: Samples) -> None:
    run = finished(digits, {"name": "mlp"})

    assert run.accuracy.out_of_sample > 0.8
    assert run.accuracy.has_learned
    assert "proxy_has_not_learned" not in run.warnings
    assert run.reasons & JUDGEMENTS


def test_digits_after_two_epochs_of_steps_that_lead_nowhere_are_not(digits: Samples) -> None:
    run = finished(digits, {"name": "mlp", "epochs": 2, "learning_rate": 2e-5})

    assert run.accuracy.has_learned is False
    assert "proxy_has_not_learned" in run.warnings
    assert Reason.UNKNOWN in run.reasons
    assert not run.reasons & JUDGEMENTS


@pytest.mark.data
def test_adult_at_a_learning_rate_of_ten_ends_the_run(data_dir: Path, tmp_path: Path) -> None:
    train, _ = BENCHMARKS["adult"].read(data_dir, tmp_path)

    for rows, epochs in ((3000, 2), (None, 2), (None, 12)):
        with pytest.raises(TrainingDiverged, match="before training"):
            finished(at_most(train, rows), {"name": "mlp", "epochs": epochs, "learning_rate": 10})


@pytest.mark.data
def test_adults_classes_change_unless_their_balance_is_kept(data_dir: Path, tmp_path: Path) -> None:
    train, _ = BENCHMARKS["adult"].read(data_dir, tmp_path)

    free, kept = (finished(train, {"name": "mlp"}, class_balance=balance) for balance in ("free", "keep"))

    assert free.accuracy.has_learned
    assert kept.accuracy.has_learned
    assert free.warnings == ["class_shares_changed"]
    assert not kept.warnings
    shares = [run.decisions.label[run.decisions.kept].mean() for run in (free, kept)]
    assert shares[0] > 0.3
    assert shares[1] == pytest.approx(train.labels.mean(), abs=1 / len(train))


@pytest.mark.slow
@pytest.mark.data
def test_photographs_after_two_epochs_are_not_learned_and_after_twelve_they_are(data_dir: Path, tmp_path: Path) -> None:
    train, _ = BENCHMARKS["cifar10"].read(data_dir, tmp_path)
    some = at_most(train, 2000)

    weak, better = (finished(some, {"name": "cnn", "epochs": epochs}) for epochs in (2, 12))

    assert weak.accuracy.chance == 0.1
    assert weak.accuracy.performance < 0.19
    assert "proxy_has_not_learned" in weak.warnings
    assert Reason.UNKNOWN in weak.reasons
    assert not weak.reasons & JUDGEMENTS
    assert better.accuracy.has_learned
    assert better.reasons & JUDGEMENTS
