"""A job's report as one HTML page: no script, nothing from elsewhere, every name escaped."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from service.report_page import charts, parts, words
from ted_core.report import Report

FILTERS = {
    "number": words.number,
    "percent": words.percent,
    "decimal": words.decimal,
    "exponent": words.exponent,
    "seconds": words.seconds,
    "name": words.name,
    "sentence": words.sentence,
    "setting": words.setting,
    "clock": words.clock,
}


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("service.report_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= FILTERS
    return found


def render(report: Report) -> str:
    """The page. Equal reports give equal pages."""
    return _templates().get_template("page.html").render(
        report=report,
        shares=parts.shares(report),
        classes=parts.classes(report),
        gains=parts.gains(report),
        payback=parts.payback(report),
        costs=parts.costs(report),
        rounds=charts.rounds(report.rounds, rows=report.dataset.rows),
        scores=charts.histogram(report.scores),
        performance=charts.histogram(report.internal_generalization, marked=parts.divide(report)),
        candidates=charts.candidates(report),
    )  # fmt: skip
