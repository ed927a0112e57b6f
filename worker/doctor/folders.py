"""Checks the folders that TED writes to, and those that it reads from."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ted_core.datasets.sources.uri import locate
from ted_core.errors import TedError
from ted_core.storage.roots import file_store, parse_root
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding

PROBLEM_FREE_BYTES = 256 << 20
"""Free bytes below which jobs are about to fail."""
WARNING_FREE_BYTES = 4 << 30
"""Free bytes below which it is time to make room."""
GIB = 1 << 30


def check_written_folders(settings: Settings) -> Iterator[Finding]:
    """Yield whether the folders that TED writes to are writable, and how much room is left."""
    for name, folder in {"home": settings.home, "work": settings.work, "cache": settings.cache}.items():
        yield _check_writable(f"{name} folder", str(folder))
    store = file_store(settings.artifacts)
    yield WRITE_CHECKS[store.root_type](f"artifacts {store.root_type}", str(store.root))


def _check_writable(subject: str, path: str) -> Finding:
    folder = Path(path)
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return problem_finding(
            subject, f"{folder}: {error.strerror}", f"Let this user write to {existing}, or name another folder."
        )
    fact = f"{folder}: {free / GIB:.1f} GiB free"
    if free < PROBLEM_FREE_BYTES:
        return problem_finding(
            subject, fact, "Make room: jobs fail when the disk is full. TED_RETENTION_DAYS limits old jobs."
        )
    if free < WARNING_FREE_BYTES:
        return warning_finding(
            subject, fact, "Make room soon; TED_RETENTION_DAYS and TED_CACHE_BYTES limit what TED keeps."
        )
    return ok_finding(subject, fact)


def _check_bucket(subject: str, uri: str) -> Finding:
    try:
        file_store(parse_root(uri)).stat("")
    except OSError as error:
        return problem_finding(
            subject, f"{uri}: {error}", "Give this process credentials that may list, read and write."
        )
    return ok_finding(subject, f"{uri} answers")


WRITE_CHECKS = {"folder": _check_writable, "bucket": _check_bucket}


def check_read_folders(settings: Settings) -> Iterator[Finding]:
    """Yield whether the folders of datasets and models are readable."""
    roots = settings.allowed_roots
    if not roots:
        remedy = "Allow a folder with `ted roots add`, or name folders in TED_DATASET_ROOTS."
        yield warning_finding("dataset roots", "none: every dataset is refused", remedy)
    for root in roots:
        yield READ_CHECKS[file_store(root).root_type]("dataset root", str(root))
    for root in settings.model_roots:
        yield _check_readable("model root", str(root))


def _check_readable(subject: str, path: str) -> Finding:
    try:
        os.scandir(path).close()
    except OSError as error:
        return problem_finding(
            subject, f"{path}: {error.strerror}", "Mount it, let this user read it, or name another folder."
        )
    return ok_finding(subject, path)


def _check_object_root(subject: str, uri: str) -> Finding:
    try:
        locate(uri, roots=[parse_root(uri)])
    except TedError as error:
        return problem_finding(subject, f"{uri}: {error.fact}", error.remedy())
    return ok_finding(subject, uri)


READ_CHECKS = {"folder": _check_readable, "bucket": _check_object_root}
