"""Reports for those who show them."""

from datetime import UTC, datetime
from typing import Any, Literal

from ted_core.results.guard_report import guard_report
from ted_core.results.provenance import CandidateFacts, ProxyFacts, QChoice
from ted_core.results.ratio_facts import keep_ratio_choice
from ted_core.results.report import (
    Histogram,
    PhaseSeconds,
    Report,
    ReportClass,
    ReportCost,
    ReportDataset,
    ReportExample,
    ReportExamples,
    ReportRound,
    ReportSample,
)
from ted_core.selection.rounds import RatioChoice, RatioPoint
from ted_core.warnings import JobWarning

KEPT, WELL = "kept", "well generalized (redundant)"
CANDIDATES = tuple(
    CandidateFacts(q=q, accuracy=right, behind=0.9 - right, standard_error=error)
    for q, right, error in ((1.0, 0.9, 0.0), (0.5, 0.8, 0.02), (None, 0.7, 0.03))
)


RATIO = RatioChoice(
    0.6,
    tolerance=0.3,
    points=(
        RatioPoint(1.0, 0.9, 0.0, 0.0, (0.0, 0.0)),
        RatioPoint(0.7, 0.9, 0.0, 0.05, (-0.1, 0.1)),
        RatioPoint(0.3, 0.89, 1.0, 0.1, (0.8, 1.2)),
    ),
    samples_trained=300,
    samples_measured=100,
)
PIXEL = "data:image/png;base64,iVBORw0KGgo="
NOT_LEARNED = JobWarning("proxy_has_not_learned", "proxy.epochs", "The proxy is right about 16 % of the rows. Help it.")


MARGINS = Histogram(edges=(-1.0, 0.0, 1.0), kept=(0, 60), pruned=(9, 29), reasons={KEPT: (0, 60), WELL: (9, 29)})
"""Of 98 rows, nine of which look mislabelled."""


def example(row: int, *, key: str | None = None, **facts: Any) -> ReportExample:
    told = {"label": "cat", "kept": row < 5, "internal_generalization": 0.45, "score": 0.25}
    return ReportExample.model_validate({"row_index": row, "sample_key": key} | told | facts)


def sample(**content: Any) -> ReportSample:
    return ReportSample.model_validate(content)


def class_of(name: str, before: int, after: int) -> ReportClass:
    share = after / before if before else None
    return ReportClass(name=name, before=before, after=after, kept_share=share, internal_generalization=0.5)


def a_round(number: int, retained: int, **facts: Any) -> ReportRound:
    told = {"train_loss": 0.5, "internal_generalization": 0.6 + number / 10, "internal_generalization_all": 0.8}
    counted = {"round": number, "retained": retained, "returned": 0, "rows_trained": 100 * number}
    return ReportRound.model_validate(counted | told | facts)


def a_report(**changes: Any) -> Report:
    """The report of 100 rows of which 60 were kept."""
    facts = {
        "job_id": "job_019a2b3c4d5e0123456789abcdef",
        "created_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "dataset": ReportDataset(
            uri="file:///data/pets.parquet",
            format="parquet",
            task="image-classification",
            rows=100,
            undecodable=2,
            fingerprint="sha256:00",
        ),
        "plan": {"keep_ratio": 0.6, "method": "ted", "rounds": None},
        "method": "ted",
        "keep_ratio": 0.6,
        "achieved_ratio": 0.6,
        "rows_kept": 60,
        "reasons": {"undecodable": 2, WELL: 38, KEPT: 60},
        "classes": (class_of("cat", 49, 20), class_of("dog", 49, 40)),
        "scores": Histogram(
            edges=(0.0, 0.1, 0.25), kept=(0, 60), pruned=(30, 8), reasons={KEPT: (0, 60), WELL: (30, 8)}
        ),
        "internal_generalization": Histogram(
            edges=(0.0, 0.25, 0.75, 1.0),
            kept=(0, 50, 10),
            pruned=(5, 0, 33),
            reasons={KEPT: (0, 50, 10), WELL: (5, 0, 33)},
        ),
        "rounds": (a_round(1, 80, internal_generalization=None), a_round(2, 60, returned=3)),
        "q": QChoice(value=1.0, chosen_by="measured: q = 1 did best", candidates=CANDIDATES),
        "cost": ReportCost(
            rows_trained=800,
            rows_measured=400,
            rows_trained_choosing=300,
            full_run_rows=1000,
            of_one_full_run=0.8,
            seconds=PhaseSeconds(loading=0.5, pruning=90, writing=0.25),
        ),
        "examples": ReportExamples(kept=(example(3),), poorly_generalized=(example(7, key="img/7.png"),)),
        "proxy": ProxyFacts(name="mlp", settings={"epochs": 10, "augment": False}),
        "device": "cpu, 2 threads",
        "determinism": "bit-exact",
        "seed": 0,
        "versions": {"torch": "2"},
    }
    return Report(**facts | changes)


def a_guarded_report(*, returned: Literal["ted", "random"]) -> Report:
    """The report of a job that has compared TED's rows, about which a proxy is right to 90 %, with random ones."""
    random = {"ted": 0.88, "random": 0.92}[returned]
    errors = (0.0, 0.01) if returned == "ted" else (0.01, 0.0)
    candidates = tuple(
        CandidateFacts(rule=rule, q=None, accuracy=right, behind=max(0.9, random) - right, standard_error=error)
        for rule, right, error in zip(("margin", "random"), (0.9, random), errors, strict=True)
    )
    choice = QChoice(
        rule="margin" if returned == "ted" else "random", value=None, chosen_by="guard: told", candidates=candidates
    )
    plan = a_report().plan | {"guard": True}
    return a_report(plan=plan, q=choice, guard=guard_report(choice, plan))


def a_report_of_a_chosen_ratio() -> Report:
    """The report of a job that found 60 % of the rows to cost no more than 0.3 points."""
    plan = a_report().plan | {"keep_ratio": "auto", "tolerance": 0.3}
    return a_report(plan=plan, q=QChoice(value=None, chosen_by="plan"), keep_ratio_choice=keep_ratio_choice(RATIO))


def of_random_rows() -> Report:
    """The report of a job that measured nothing."""
    unmeasured = a_round(1, 60, train_loss=None, internal_generalization=None, internal_generalization_all=None)
    blind = [one.model_copy(update={"internal_generalization": None}) for one in a_report().classes]
    cost = a_report().cost.model_copy(
        update={"rows_trained": 0, "rows_measured": 0, "rows_trained_choosing": 0, "of_one_full_run": 0.0}
    )
    return a_report(
        plan={"keep_ratio": 0.6, "method": "random"},
        method="random",
        reasons={"kept": 60, "not drawn": 40},
        classes=tuple(blind),
        scores=Histogram(),
        internal_generalization=Histogram(),
        rounds=(unmeasured,),
        q=QChoice(value=None, chosen_by="plan"),
        cost=cost,
        examples=ReportExamples(),
    )
