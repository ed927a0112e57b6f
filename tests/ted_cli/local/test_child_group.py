"""What outlives ``ted up`` is ended, and never a process that has only got the id of one that did."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from ted_cli.local.child_group import ChildGroup
from ted_cli.local.watchdog import end_groups, running_groups
from ted_core.python_process import module_command
from tests.servers.stacks import until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        reaper = Thread(target=process.wait)  # as init does for those whose parent is gone
        reaper.start()
        yield process
        process.kill()
        reaper.join()


@pytest.fixture
def earlier_with_its_id(process: subprocess.Popen[bytes]) -> ChildGroup:
    """A group that has ended, and whose id the process has got since."""
    return replace(ChildGroup.led_by(process.pid), started="1")


def test_a_group_ends_with_all_its_members(process: subprocess.Popen[bytes]) -> None:
    end_groups([ChildGroup.led_by(process.pid)])

    assert process.wait(10) == -signal.SIGTERM


def test_a_group_whose_leader_has_ended_is_killed() -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & echo $!"], start_new_session=True, stdout=subprocess.PIPE
    ) as leader:
        group = ChildGroup.led_by(leader.pid)
        assert leader.stdout
        member = int(leader.stdout.readline())
    assert group.is_alive()

    group.kill()

    until(lambda: not is_running(member))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="start times are read from /proc")
def test_a_process_that_has_got_the_id_of_an_ended_one_is_left_alone(
    process: subprocess.Popen[bytes], earlier_with_its_id: ChildGroup
) -> None:
    end_groups([earlier_with_its_id])
    earlier_with_its_id.kill()

    assert not earlier_with_its_id.is_alive()
    assert process.poll() is None


def test_groups_that_have_ended_are_forgotten(process: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "exit"], start_new_session=True) as ended:
        lines = iter([f"{ended.pid}\n"])

        def then_restarted() -> Iterator[str]:
            yield from lines
            ended.wait()
            yield f"{process.pid}\n"

        assert [group.id for group in running_groups(then_restarted())] == [process.pid]


def test_the_watchdog_ends_what_its_parent_has_left(process: subprocess.Popen[bytes]) -> None:
    watchdog = subprocess.Popen(module_command("ted_cli.local.watchdog"), stdin=subprocess.PIPE)

    watchdog.communicate(b"%d\n" % process.pid, timeout=60)

    assert watchdog.returncode == 0
    assert process.wait(10) == -signal.SIGTERM
