"""Disks that can no longer be written to, and datasets that are away for a moment."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.faults import Fault, FaultContext, NotPossibleHere, status_reason, suspended_at
from tests.servers.stacks import until


def make_read_only(folder: str, *, at: str) -> Fault:
    """Have a folder of the service refuse every write, from a point of a job's way until an attempt has failed."""

    def inject(context: FaultContext) -> None:
        path = context.service.home / folder
        path.mkdir(exist_ok=True)
        with suspended_at(context, at) as there, read_only(path):
            (job,) = context.driver.promises()
            there.resume()
            until(lambda: status_reason(context, job) or context.settled())
        context.service.mark_fault()

    return inject


def move_datasets_away(*, at: str, times: int, seconds: float) -> Fault:
    """Rename the datasets' folder for so long when a job has got to this point so many times."""

    def inject(context: FaultContext) -> None:
        folder = _dataset_folder(context)
        with suspended_at(context, at, times=times) as there:
            elsewhere = folder.rename(folder.with_name("elsewhere"))
            there.resume()
            time.sleep(seconds)
            elsewhere.rename(folder)
        context.service.mark_fault()
        until(context.settled)

    return inject


def touch_datasets(*, at: str) -> Fault:
    """Give the datasets' files another time while a job is at this point."""

    def inject(context: FaultContext) -> None:
        with suspended_at(context, at):
            for file in _dataset_folder(context).iterdir():
                file.touch()
            context.service.mark_fault()
        until(context.settled)

    return inject


def _dataset_folder(context: FaultContext) -> Path:
    (root,) = context.service.settings.dataset_roots
    return Path(str(root))


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Let the kernel refuse whatever is written below this folder, as it does after an error of the disk."""
    if _mount("--bind", str(path), str(path)):
        raise NotPossibleHere("only root may mount a file system")
    try:
        _mount("-o", "remount,bind,ro", str(path))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S607 - wherever it lies


def _mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode  # noqa: S607
