"""What a finished selection leaves in a folder: manifest, decisions, suspects and report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ted_core.errors import TedError
from ted_core.results import report_builder
from ted_core.results.decisions import Decisions
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import ManifestMetadata
from ted_core.results.report import PhaseSeconds, Report, ReportExamples
from ted_core.results.report_builder import RoundLog
from ted_core.results.report_page import render
from ted_core.results.suspects.listing import write_suspects
from ted_core.results.writing.phase_timer import PhaseTimer
from ted_core.results.writing.provenance_builder import ProvenanceBuilder

PAGE = "report.html"


class ResultsExist(TedError):
    """The folder holds the results of an earlier run; choose another folder, or ask for them to be overwritten
    (--overwrite, overwrite=True)."""


@dataclass(frozen=True)
class WrittenResults:
    """The four files, and what two of them say."""

    manifest: Path
    decisions: Path
    suspects: Path
    report: Path
    metadata: ManifestMetadata
    contents: Report
    """Of the report."""

    @property
    def others(self) -> tuple[Path, ...]:
        """The files beside the manifest."""
        return self.decisions, self.suspects, self.report


def write_results(
    folder: Path,
    decisions: Decisions,
    *,
    builder: ProvenanceBuilder,
    log: RoundLog,
    timer: PhaseTimer,
    show: Callable[[ReportExamples], ReportExamples],
) -> WrittenResults:
    """Write the four files; ``show`` adds to the rows that the report names what they hold."""
    with timer.measure("writing"):
        written = write_manifest(folder, decisions, provenance=builder.provenance())
        suspects = write_suspects(folder, decisions, accuracy=builder.accuracy, metadata=written.metadata)
        examples = show(report_builder.choose_examples(decisions, builder.accuracy))
    report = report_builder.build_report(
        decisions,
        log,
        metadata=written.metadata,
        seconds=PhaseSeconds(**timer.seconds),
        examples=examples,
        columns=builder.samples.columns,
    )
    path = report_builder.write_report(folder, report)
    return WrittenResults(written.manifest, written.decisions, suspects, path, written.metadata, report)


def write_page(folder: Path, report: Report) -> Path:
    """Write the report as a page and return its path."""
    path = folder / PAGE
    path.write_text(render(report), encoding="utf-8")
    return path
