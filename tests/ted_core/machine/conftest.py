"""Files of control groups, as a kernel would show them."""

from pathlib import Path


def system(root: Path, groups: str, limits: dict[str, str]) -> Path:
    """A root folder with these files of control groups."""
    files = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{path}": text for path, text in limits.items()}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root
