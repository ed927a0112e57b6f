"""The folder of one selection: its results, and beside them what an interrupted run is resumed from."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ted_core.errors import TedError
from ted_core.results.report import Report
from ted_core.results.writing.files import ResultsExist, write_page
from worker.messages import Staged

RESULTS = ("decisions", "suspects", "report", "manifest")
"""In the order in which they appear: where there is a manifest, there is everything."""


class FolderInUse(TedError):
    """Another run writes into this folder; wait for its end, or choose another folder."""


@dataclass(frozen=True)
class ResultsFolder:
    """A folder that this process alone writes to."""

    path: Path

    @property
    def state(self) -> Path:
        """Return the folder of what is needed only until the results are there."""
        return self.path / ".ted-run"

    @property
    def checkpoint(self) -> Path:
        """Return the place of the newest checkpoint."""
        return self.state / "checkpoint.safetensors"

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """Return the checkpoint, if there is one."""
        return (self.checkpoint,) if self.checkpoint.exists() else ()

    @property
    def log(self) -> Path:
        """Return the place of what the runner writes to standard error."""
        return self.state / "runner.log"

    @property
    def attempt(self) -> Path:
        """Return the place of the folder that an attempt writes to."""
        return self.state / "attempt"

    def new_attempt(self) -> Path:
        """Return an empty folder for an attempt."""
        shutil.rmtree(self.attempt, ignore_errors=True)
        self.attempt.mkdir(parents=True)
        return self.attempt

    def keep_checkpoint(self, written: Path) -> None:
        """Put a checkpoint in the place of the one before."""
        written.replace(self.checkpoint)

    def publish(self, staged: Staged) -> dict[str, str]:
        """Move an attempt's files to where they belong, and return each one's place."""
        page = write_page(self.path, Report.model_validate_json(staged.report.read_bytes()))
        places = {kind: self.path / getattr(staged, kind).name for kind in RESULTS}
        for kind, place in places.items():
            getattr(staged, kind).replace(place)
        shutil.rmtree(self.state)
        return {kind: str(place) for kind, place in places.items()} | {"page": str(page)}

    def tidy_up(self) -> None:
        """Remove what no later run needs: everything but a checkpoint, and the log of a runner that failed."""
        shutil.rmtree(self.attempt, ignore_errors=True)
        if not (self.checkpoint.exists() or self.log.exists()):
            shutil.rmtree(self.state, ignore_errors=True)
            with suppress(OSError):  # something else lies there
                self.path.rmdir()


@contextmanager
def results_folder(path: Path, *, overwrite: bool) -> Iterator[ResultsFolder]:
    """Yield the folder, which is made if there is none. Raise ResultsExist, FolderInUse, OSError."""
    folder = ResultsFolder(path)
    if (path / "manifest.parquet").exists() and not overwrite:
        raise ResultsExist(str(path), field="folder")
    folder.state.mkdir(parents=True, exist_ok=True)
    with (folder.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(str(path), field="folder") from error
        try:
            yield folder
        finally:
            folder.tidy_up()
