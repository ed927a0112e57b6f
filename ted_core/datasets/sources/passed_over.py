"""Files of a dataset's folder that are not read: counted, the first ones named, warned about if they may be data.

Documentation, checksums and what tools leave beside data are no data whatever the format; what else may be is asked of
the format.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ted_core.datasets.findings import SHOWN, findings, warn
from ted_core.warnings import WarningCode

FIELD = "dataset.uri"
FIRST = 5
"""Names in the warning."""
COMPANION_SUFFIXES = (
    *(".md", ".txt", ".rst", ".pdf", ".html", ".htm", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log", ".lock"),
    *(".crc", ".md5", ".sha1", ".sha256", ".sha512", ".sig", ".asc", ".py", ".sh", ".ipynb", ".tex", ".bib", ".db"),
)
COMPANION_STEMS = ("readme", "license", "licence", "copying", "copyright", "notice", "changelog", "changes", "citation")
COMPANION_JSON = (
    *("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "metadata.json", "croissant.json"),
    *("classes.json", "class_names.json", "labels.json", "label2id.json", "id2label.json", "config.json", "stats.json"),
)
UNDERSCORED = ("_success", "_metadata", "_common_metadata", "_committed", "_started")
"""How files begin that Spark and Dask leave beside their parts."""


def is_companion(name: str) -> bool:
    """Return whether a file of this name documents or checks data rather than holding some."""
    name = name.rpartition("/")[2].lower()
    return (
        name.endswith(COMPANION_SUFFIXES) or name.startswith((*COMPANION_STEMS, *UNDERSCORED)) or name in COMPANION_JSON
    )


@dataclass
class PassedOver:
    """The files of a folder that are not read, as they are come across."""

    where: str
    reason: str
    """Why, if nothing else is said."""
    may_be_data: Callable[[str], bool]
    """Whether a file of this name, which is no companion, may be meant to belong to the dataset."""
    _named: dict[str, str] = field(default_factory=dict)
    _suspects: list[str] = field(default_factory=list)
    _count: int = 0
    _suspect_count: int = 0

    def add(self, name: str) -> None:
        """Count a file, whose name tells whether it may be data."""
        if is_companion(name) or not self.may_be_data(name):
            self.note(name, self.reason)
        else:
            self.suspect(name, self.reason)

    def note(self, name: str, reason: str) -> None:
        """Count a file that is left out for this reason, as anybody would expect."""
        self._count += 1
        if len(self._named) < SHOWN:
            self._named[name] = reason

    def suspect(self, name: str, reason: str) -> None:
        """Count a file that may be meant to belong to the dataset."""
        self.note(name, reason)
        self._suspect_count += 1
        if len(self._suspects) < FIRST:
            self._suspects.append(name)

    def more(self, count: int) -> None:
        """Count further files whose names are not known any more."""
        self._count += count

    def report(self) -> None:
        """Write down what was passed over, and warn about what may be data."""
        noticed = findings()
        noticed.passed_over |= self._named
        if unnamed := self._count - len(self._named):
            noticed.passed_over_unnamed[self.where] = unnamed
        if self._suspects:
            names = ", ".join(self._suspects)
            more = ", …" if self._suspect_count > len(self._suspects) else ""
            fact = f"{self._suspect_count:,} of what lies in {self.where} is not read: {names}{more} ({self.reason})"
            warn(WarningCode.FILES_PASSED_OVER, fact, field=FIELD)
