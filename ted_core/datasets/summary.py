"""What is known of a dataset once its headers have been read."""

from dataclasses import dataclass

from ted_core.datasets.understood import Understood
from ted_core.warnings import JobWarning

FILES_ONLY, UNLISTED = "files:", "unlisted"
"""How a change token begins that tells nothing of rows, and the one of a folder whose listing took too long."""


@dataclass(frozen=True)
class DatasetSummary:
    """What a submission can be checked against before any rows are read."""

    rows: int | None
    """None if the inspection's budget did not suffice to count them."""
    columns: tuple[str, ...]
    change_token: str
    """Changes when a file's name, size, time or rows do; cheaper than the fingerprint, and weaker."""
    several_classes: bool = False
    """Whether a row may have any number of classes."""
    files_token: str = ""
    """The same without the rows: what ``change_token`` is where they are not known."""
    input_shape: tuple[int, ...] | None = None
    """The shape of one input, or a lower bound of it; None if headers show neither."""
    understood: Understood | None = None
    """What the dataset was taken for."""
    warnings: tuple[JobWarning, ...] = ()
    """What was accepted, but may not be what was meant."""

    def matches(self, change_token: str) -> bool | None:
        """Return whether the dataset is still the one that had this token.

        None if one of the two inspections has seen too little to tell.
        """
        if UNLISTED in (change_token, self.change_token):
            return None
        if change_token.startswith(FILES_ONLY):
            return change_token == self.files_token
        return None if self.rows is None else change_token == self.change_token


def tells_rows(change_token: str) -> bool:
    """Return whether the inspection that made the token has looked into all files."""
    return change_token != UNLISTED and not change_token.startswith(FILES_ONLY)
