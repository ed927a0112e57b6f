"""A job's report as one HTML page: no script, nothing from elsewhere, every name escaped."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ted_core.results.report import Report
from ted_core.results.report_page import charts, examples, parts, sentences, words

CONTROLS = re.compile(r"[\x01-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that mean nothing in HTML, and that a terminal might obey if the page is printed to it."""
FILTERS = {
    "number": words.number,
    "percent": words.percent,
    "decimal": words.decimal,
    "exponent": words.exponent,
    "candidate": words.candidate,
    "seconds": words.seconds,
    "name": words.name,
    "sentence": words.sentence,
    "setting": words.setting,
    "clock": words.clock,
    "picture": examples.picture,
    "text": examples.text,
    "turns": examples.turns,
    "record": examples.values,
    "unshown": examples.left_out,
    "spoken": examples.spoken_name,
}


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("ted_core.results.report_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment


def render(report: Report) -> str:
    """Return the page; equal reports give equal pages."""
    page = _templates().get_template("page.html").render(
        report=report,
        said=sentences,
        learned=sentences.has_learned(report),
        proxy=parts.proxy_tile(report),
        example_groups=examples.example_groups(report),
        shares=parts.reason_shares(report),
        classes=parts.classes(report),
        gains=parts.gains(report),
        payback=parts.payback(report),
        costs=parts.costs(report),
        measured_rounds=any(entry.internal_generalization_all is not None for entry in report.rounds),
        rounds=charts.rounds(report.rounds, rows=report.dataset.rows),
        scores=charts.histogram(report.scores),
        performance=charts.histogram(report.internal_generalization, marked=parts.redundancy_threshold(report)),
        candidates=charts.candidates(report),
        losses=charts.losses(report.keep_ratio_choice),
        margins=charts.histogram(report.margins, marked=0.0),
        suspects=examples.suspects(report),
    )  # fmt: skip
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", page)
