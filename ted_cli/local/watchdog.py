"""``python -m ted_cli.local.watchdog``: ends processes whose parent died before it could end them.

``ted up`` writes the ids of the process groups it starts to this process's standard input, one per line. When the input
ends, whatever still runs is asked to stop and, after a grace period, made to.
"""

import signal
import sys
import time
from collections.abc import Iterable, Sequence

from ted_cli.local.child_group import ChildGroup

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.1


def main() -> None:
    """Wait for the end of standard input, then for the end of every group."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_groups(running_groups(sys.stdin))


def running_groups(lines: Iterable[str]) -> Sequence[ChildGroup]:
    """Return the groups with these ids, without those that had ended when the next was started: ids are used again."""
    groups: list[ChildGroup] = []
    for line in lines:
        groups = [group for group in groups if group.is_alive()] + [ChildGroup.led_by(int(line))]
    return groups


def end_groups(groups: Sequence[ChildGroup]) -> None:
    """End the groups, the last one first: by SIGTERM to their leaders, then by SIGKILL to all that are left."""
    for group in reversed(groups):
        group.terminate_leader()
    deadline = time.monotonic() + GRACE_SECONDS
    while any(group.is_alive() for group in groups) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for group in groups:
        group.kill()


if __name__ == "__main__":
    main()
