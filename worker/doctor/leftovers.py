"""Checks for files that nobody needs and nobody will delete soon. If there are none, there is no finding."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from ted_core.storage.roots import file_store
from ted_jobs.files.garbage import job_folder_batches, keep_in_work_folder, orphan_keys
from ted_jobs.files.installation import other_markers, own_marker
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, warning_finding

MIB = 1 << 20


def check_leftovers(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Yield what killed workers have left on this machine, and which other installations share the artifact store."""
    work = file_store(settings.work)
    keys = [
        key for names in job_folder_batches(work) for key in orphan_keys(engine, work, names, keep=keep_in_work_folder)
    ]
    if keys:
        yield _work_folder_finding(settings.work, keys)
    with suppress(OSError):  # whether the root can be read is another check's business
        if marks := other_markers(file_store(settings.artifacts).names(), own=own_marker(engine)):
            yield _shared_root_finding(str(settings.artifacts), marks)


def _work_folder_finding(folder: Path, keys: Sequence[str]) -> Finding:
    jobs = sorted({key.split("/")[0] for key in keys})
    size = sum(path.stat().st_size for key in keys if (path := folder / key).is_file())
    fact = f"{folder}: {size / MIB:.1f} MiB of attempts that were killed lie there ({', '.join(jobs)})"
    return warning_finding("work folder", fact, "They go when a worker starts on this machine; nobody needs them.")


def _shared_root_finding(root: str, marks: Sequence[str]) -> Finding:
    fact = f"another installation publishes at {root} as well ({', '.join(marks)}): orphans are not removed there"
    return warning_finding(
        "artifacts", fact, "Give each a TED_ARTIFACT_ROOT of its own, or remove the mark of one that is gone."
    )
