"""Which installation is which: where two publish at one root, each would take the other's files for orphans."""

from collections.abc import Iterable

from sqlalchemy import Engine, select

from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import installation

MARKER_PREFIX = ".ted-installation-"
"""What the name of a marker begins with; the rest is the installation's id, which its database holds."""


def own_marker(engine: Engine) -> str:
    """The name of the file by which this installation shows at a root that it publishes there."""
    with read_transaction(engine) as connection:
        return f"{MARKER_PREFIX}{connection.scalar(select(installation.c.id))}"


def other_markers(names: Iterable[str], *, own: str) -> list[str]:
    """The markers of other installations among these names."""
    return sorted(name for name in names if name.startswith(MARKER_PREFIX) and name != own)
