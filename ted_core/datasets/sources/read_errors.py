"""What goes wrong while a file is read → an error that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from ted_core.datasets.sources.base import Source, unreadable_error


@contextmanager
def translate_read_errors(
    source: Source, *, otherwise: str = "is damaged", field: str = "dataset.uri"
) -> Iterator[None]:
    """Whatever Arrow cannot read inside becomes DatasetUnreadable, which names the file, or the store's own trouble.

    So does a name inside that is not UTF-8.
    """
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise unreadable_error(f"{source.name} {otherwise}", error, field=field) from error
