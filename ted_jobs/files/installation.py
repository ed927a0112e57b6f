"""Which installation is which: where two publish at one root, each would take the other's files for orphans."""

from collections.abc import Iterable

from sqlalchemy import Engine, select

from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import installation

MARKER_PREFIX = ".ted-installation-"
"""What the name of a mark begins with; the rest is the installation's id, which its database holds."""


def own_marker(engine: Engine) -> str:
    """The name of the file that tells at a root that this installation publishes there."""
    with read_transaction(engine) as connection:
        return f"{MARKER_PREFIX}{connection.scalar(select(installation.c.id))}"


def other_markers(names: Iterable[str], *, own: str) -> list[str]:
    """The marks of other installations among these names."""
    return sorted(name for name in names if name.startswith(MARKER_PREFIX) and name != own)
