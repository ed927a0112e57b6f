"""Nothing below a folder is opened over a link; the folder itself may be one."""

from pathlib import Path

import pytest

from ted_core.storage.roots import file_store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file, beside one that is nobody's business."""
    (tmp_path / "root" / "job").mkdir(parents=True)
    (tmp_path / "root" / "job" / "rows").write_bytes(b"inside")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "rows").write_bytes(b"secret")
    return tmp_path / "root"


def test_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)

    with file_store(tmp_path / "alias").open("job/rows") as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize("link", ["job/link", "linked"])
def test_a_link_below_the_root_is_not_followed(root: Path, tmp_path: Path, link: str) -> None:
    (root / "job" / "link").symlink_to(tmp_path / "elsewhere" / "rows")
    (root / "linked").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="link"):
        file_store(root).open(link if link.endswith("link") else f"{link}/rows")
