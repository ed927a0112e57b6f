"""Where the files of a selection are: those of a job are downloaded, those of a local run lie in its folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ted_cli.options import client
from ted_cli.request.jobs import job_id
from ted_client.errors import ClientError, TedApiError

if TYPE_CHECKING:
    from ted_client.client import Client

NOT_LISTED = "no_suspects"
"""The code of a job that an older version has run."""


class NoResultsThere(ClientError):
    """The folder or file holds no results of a selection."""


@contextmanager
def selection_file(context: typer.Context, said: str, kind: str = "manifest") -> Iterator[Path]:
    """Yield the selection's file of this kind. Raise NoResultsThere, NoSuchJob, SeveralJobs."""
    with selection_files(context, said, kind) as (file, *_):
        assert file, "the first is always there"  # noqa: S101
        yield file


@contextmanager
def selection_files(context: typer.Context, said: str, *kinds: str) -> Iterator[list[Path | None]]:
    """Yield the selection's files of these kinds; None for those that there are not, but for the first.

    What is named is a job, the folder of a local run, or its file of the first kind, beside which the others lie.
    Raise NoResultsThere, NoSuchJob, SeveralJobs.
    """
    if local := _local_files(Path(said).expanduser(), kinds):
        yield local
        return
    if os.sep in said:
        raise NoResultsThere(f"There is no {kinds[0]}.parquet at {said}; name a job, or the --out of a `ted run`.")
    with tempfile.TemporaryDirectory() as folder, client(context) as service:
        found = job_id(service, said)
        yield [_downloaded(service, found, Path(folder), kind) for kind in kinds]


def _local_files(place: Path, kinds: tuple[str, ...]) -> list[Path | None]:
    """Return the files at this place on this machine; an empty list if the first of them is not there."""
    first = place / f"{kinds[0]}.parquet" if place.is_dir() else place
    if not first.is_file():
        return []
    beside = [first.with_name(f"{kind}.parquet") for kind in kinds[1:]]
    return [first.resolve(), *(path if path.is_file() else None for path in beside)]


def _downloaded(service: "Client", job: str, folder: Path, kind: str) -> Path | None:
    try:
        return service.download(job, folder / f"{kind}.parquet", kind=kind)
    except TedApiError as error:
        if error.code == NOT_LISTED:
            return None
        raise
