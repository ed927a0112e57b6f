"""The control groups that limit this process, of version 1 and of version 2."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

VERSION_2 = ""
"""What /proc/self/cgroup has in place of the controllers: all of them have the same groups."""


def group_folders(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """Yield the folders of the groups that limit this process in what the controller controls, and of those above them.

    In a container the paths may be the host's: then only the top exists.
    """
    mounted = {VERSION_2: root / "sys/fs/cgroup", controller: root / "sys/fs/cgroup" / controller}
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for name in mounted.keys() & controllers.split(","):
                group = Path(path.strip("/"))
                yield from (mounted[name] / folder for folder in (group, *group.parents))
