"""How a file of delimited values is written: what separates them, whether they are quoted, what its first line is.

TSV is read without quoting unless the request says otherwise: most programs that write it quote nothing, so that a text
may begin with a quotation mark, which would swallow the rows up to the next one. CSV is read with quoting, as RFC 4180
has it: a quoted value may hold separators and line breaks, and a doubled quotation mark stands for one.

Files of ARFF and KEEL are refused although their rows are delimited values: their header may declare types, quote with
apostrophes and leave out zeros, and reading only the usual half of that would misread the rest. Without the lines up to
``@data`` most of them are CSV without a header.
"""

from typing import NamedTuple

from ted_core.datasets.sources.base import uncompressed_name
from ted_core.datasets.spec import DatasetSpec

TAB, COMMA = "\t", ","


class Choices(NamedTuple):
    """What a request says of the notation; null where it says nothing."""

    format: str | None
    header: bool | None
    quoting: bool | None

    @classmethod
    def of(cls, spec: DatasetSpec) -> "Choices":
        """Return what this request says."""
        return cls(spec.format, spec.header, spec.quoting)


class Notation(NamedTuple):
    """How one file is written."""

    delimiter: str
    quoting: bool
    """Whether quotation marks around a value belong to the notation."""
    header: bool
    """Whether the first line names the columns."""
    header_is_certain: bool
    """Whether the request says so."""
    quoting_is_certain: bool
    """Whether the request says so."""

    @property
    def quotes_are_certain(self) -> bool:
        """Whether what is quoted is one value, whatever it looks like: the request says so where commas separate."""
        return self.quoting and self.quoting_is_certain and self.delimiter == COMMA

    @classmethod
    def of(cls, name: str, choices: Choices) -> "Notation":
        """Return the notation of the file of this name."""
        delimiter = TAB if choices.format == "tsv" or _is_tsv(name) else COMMA
        return cls(
            delimiter,
            delimiter == COMMA if choices.quoting is None else choices.quoting,
            choices.header is not False,
            choices.header is not None,
            choices.quoting is not None,
        )


def _is_tsv(name: str) -> bool:
    return uncompressed_name(name.lower()).endswith((".tsv", ".tab"))
