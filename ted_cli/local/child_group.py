"""The process group of a child, which is not mistaken for a later one that has got the same id."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

START_TIME_FIELD = 19
"""Where ``/proc/<pid>/stat`` says when a process was started, counted from behind its name (proc(5))."""


@dataclass(frozen=True)
class ChildGroup:
    """A group that a child leads. As long as the group has members, no other process gets its id."""

    id: int
    started: str | None
    """When its leader was started, in ticks since boot; None where there is no ``/proc``."""

    @classmethod
    def led_by(cls, pid: int) -> "ChildGroup":
        """Return the group of a child that has just been started."""
        return cls(pid, _start_time(pid))

    def is_alive(self) -> bool:
        """Return whether the group has members."""
        try:
            os.killpg(self.id, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return self._has_kept_its_id()

    def _has_kept_its_id(self) -> bool:
        return _start_time(self.id) in (self.started, None)

    def terminate_leader(self) -> None:
        """Send SIGTERM to the leader, if it still runs."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "pidfd_open"):
                self._terminate_by_descriptor()
            else:
                os.kill(self.id, signal.SIGTERM)

    def _terminate_by_descriptor(self) -> None:
        descriptor = os.pidfd_open(self.id)  # stays with the process that has been compared, whatever becomes of its id
        try:
            if self._has_kept_its_id():
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)

    def kill(self) -> None:
        """Send SIGKILL to all members."""
        with suppress(ProcessLookupError, PermissionError):
            if self.is_alive():
                os.killpg(self.id, signal.SIGKILL)


def _start_time(pid: int) -> str | None:
    """Return when the process was started; None if there is no such process, or no ``/proc``."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return facts.rpartition(")")[2].split()[START_TIME_FIELD]
