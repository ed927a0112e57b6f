"""``python -m ted_cli.local.watchdog``: ends processes whose parent died before it could end them.

``ted up`` writes the ids of the process groups it starts to this process's standard input, one per line. When the input
ends, whatever still runs is asked to stop and, after a grace period, made to.
"""

import os
import signal
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.1


def main() -> None:
    """Wait for the end of standard input, then for the end of every group."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    groups = [int(line) for line in sys.stdin]
    for leader in reversed(groups):
        with suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(_is_alive, groups)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
