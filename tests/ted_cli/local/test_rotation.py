"""A log is moved aside once it is large, while a process goes on writing to it."""

import os
import sys
from pathlib import Path
from threading import Event, Timer

import pytest

from ted_cli.local import rotation
from ted_cli.local.process_group import ProcessGroup, ProcessSpec
from ted_cli.local.rotation import rotate_if_large

LINES = "import time\nfor number in range(10_000):\n    print(f'line {number:06}', flush=True)\n    time.sleep(0.002)\n"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "LARGEST_BYTES", 1000)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "api.log"


def older(log: Path) -> list[str]:
    return sorted(path.name for path in log.parent.glob("api.log.*"))


def test_a_small_log_and_a_missing_one_are_left_alone(log: Path) -> None:
    log.write_bytes(b"x" * 1000)

    rotate_if_large(log)
    rotate_if_large(log.with_name("missing.log"))

    assert log.stat().st_size == 1000
    assert older(log) == []


def test_the_newest_older_logs_are_kept(log: Path) -> None:
    for number in range(5):
        log.write_bytes(str(number).encode() * 1001)
        rotate_if_large(log)

    assert log.stat().st_size == 0
    assert older(log) == ["api.log.1", "api.log.2", "api.log.3"]
    assert [log.with_name(name).read_bytes()[:1] for name in older(log)] == [b"4", b"3", b"2"]


def test_a_full_disk_leaves_the_log_as_it_is(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log.write_bytes(b"x" * 1001)
    monkeypatch.setattr(rotation.shutil, "copyfile", full)

    rotate_if_large(log)

    assert log.stat().st_size == 1001


def test_a_running_process_goes_on_writing_to_the_emptied_log(tmp_path: Path) -> None:
    stop, keep = Event(), os.open(os.devnull, os.O_RDONLY)
    with ProcessGroup(tmp_path, print_line=print, keep_fd=keep) as group:
        group.start(ProcessSpec("api", (sys.executable, "-c", LINES), os.environ))
        Timer(2, stop.set).start()
        group.supervise(stop)
    os.close(keep)

    (first, *_), (last, *_) = ((tmp_path / name).read_text().splitlines() for name in ("api.log.1", "api.log"))
    assert first.startswith("line ") and last.startswith("line ")
    assert first < last
