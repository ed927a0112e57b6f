"""Why an export is refused."""

from ted_core.errors import TedError


class ExportUnsuited(TedError):
    """These rows cannot be written in this form without losing something; choose another one: parquet and hf hold the
    rows of every dataset that has columns."""


class ExportExists(TedError):
    """Nothing is overwritten; remove what lies there, or export to another folder."""


class ExportPackageMissing(TedError):
    """This form is written by a package that is not installed; install it, then export again."""
