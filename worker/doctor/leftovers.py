"""Files that nobody wants and nobody will remove soon. Where there are none, that is no finding."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from ted_jobs.files.garbage import in_work, job_folders, unwanted
from ted_jobs.files.installation import others, own_mark
from ted_jobs.files.listing import Folder, place_of
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, warning

MIB = 1 << 20


def leftovers(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """What killed workers have left on this machine, and who else publishes where this installation does."""
    work = Folder(settings.work)
    found = [key for names in job_folders(work) for key in unwanted(engine, work, names, wanted=in_work)]
    if found:
        yield _work(settings.work, found)
    with suppress(OSError):  # whether the root can be read is another check's business
        if marks := others(place_of(settings.artifacts).folders(), own=own_mark(engine)):
            yield _shared(str(settings.artifacts), marks)


def _work(folder: Path, keys: Sequence[str]) -> Finding:
    jobs = sorted({key.split("/")[0] for key in keys})
    size = sum(path.stat().st_size for key in keys if (path := folder / key).is_file())
    fact = f"{folder}: {size / MIB:.1f} MiB of attempts that were killed lie there ({', '.join(jobs)})"
    return warning("work folder", fact, "They go when a worker starts on this machine; nobody needs them.")


def _shared(root: str, marks: Sequence[str]) -> Finding:
    fact = f"another installation publishes at {root} as well ({', '.join(marks)}): orphans are not removed there"
    return warning(
        "artifacts", fact, "Give each a TED_ARTIFACT_ROOT of its own, or remove the mark of one that is gone."
    )
