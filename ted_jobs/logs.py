"""Logging: one JSON object per line on standard error."""

import logging
import re
import sys

import structlog

from ted_jobs.api_keys.text import KEY_PATTERN

SECRET_PATTERN = re.compile(rf"{KEY_PATTERN.pattern}|whsec_[0-9A-Za-z+/_=-]{{16,}}")
JSON_RENDERER = structlog.processors.JSONRenderer()


def configure_logging(level: str) -> None:
    """Send the records of structlog and of the standard library to standard error, one JSON object per line."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        stamp,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_lines(shared))
    logging.basicConfig(handlers=[handler], level=level, force=True)


def _json_line(logger: object, method: str, record: structlog.typing.EventDict) -> str:
    """The record as JSON, without anything that looks like an API key or a webhook's secret, wherever it stands."""
    return SECRET_PATTERN.sub("[hidden]", str(JSON_RENDERER(logger, method, record)))


def _json_lines(shared: list[structlog.typing.Processor]) -> structlog.stdlib.ProcessorFormatter:
    render: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _json_line,
    ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=render)
