"""Files that are no longer, when they are opened, what they were when they proved to lie under a root."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from pyarrow.fs import FileType

from ted_core.datasets.sources.base import FolderFiles, Source
from ted_core.storage.file_store import FileEntry

OPENINGS: dict[str, Callable[[Source], pa.NativeFile]] = {
    "open": Source.open,
    "stream": Source.stream,
    "mapped": Source.open_mapped,
    "mapped_stream": Source.open_mapped_stream,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    return root


@pytest.fixture
def proved(root: Path) -> Source:
    """A file that lies where it may."""
    file = root / "folder" / "rows.bin"
    file.write_bytes(b"inside")
    return Source.at(file).confine_to([root])


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is nobody's business, with a file of the same name."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "rows.bin").write_bytes(b"secret")
    return outside


@pytest.fixture(params=OPENINGS)
def opened(request: pytest.FixtureRequest) -> Callable[[Source], pa.NativeFile]:
    """Every way of opening a file."""
    return OPENINGS[request.param]


def test_a_file_that_stayed_is_read(opened: Callable[[Source], pa.NativeFile], proved: Source) -> None:
    with opened(proved) as file:
        assert file.read() == b"inside"


def test_a_file_that_became_a_link_is_not_followed(
    opened: Callable[[Source], pa.NativeFile], proved: Source, outside: Path
) -> None:
    Path(proved.path).unlink()
    Path(proved.path).symlink_to(outside / "rows.bin")

    with pytest.raises(OSError, match="rows"):
        opened(proved)


def test_a_folder_that_became_a_link_is_not_entered(
    opened: Callable[[Source], pa.NativeFile], proved: Source, root: Path, outside: Path
) -> None:
    (root / "folder").rename(root / "moved")
    (root / "folder").symlink_to(outside)

    with pytest.raises(OSError, match="folder"):
        opened(proved)


def test_a_file_that_became_a_pipe_is_not_waited_for(opened: Callable[[Source], pa.NativeFile], proved: Source) -> None:
    Path(proved.path).unlink()
    os.mkfifo(proved.path)

    with pytest.raises(OSError, match="no regular file"):
        opened(proved)


def test_nothing_stays_open_but_the_file(proved: Source) -> None:
    before = descriptors()

    with proved.open():
        assert descriptors() == before + 1
    assert descriptors() == before


def descriptors() -> int:
    """How many this process has."""
    return psutil.Process().num_fds()


def test_a_folder_of_many_files_takes_little_more_memory_than_their_names(root: Path) -> None:
    count = 5_000
    tracemalloc.start()
    listed = (FileEntry(f"class/image_{number:08d}.png", FileType.File, 2_000, 1) for number in range(count))

    files = FolderFiles.of(Source.at(root), listed)

    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(files), held / count < 130) == (count, True)


def test_the_files_of_a_folder_are_those_that_lie_in_it_links_and_pipes_included(root: Path) -> None:
    (root / "folder" / "link.bin").symlink_to("rows.bin")
    (root / "folder" / "rows.bin").write_bytes(b"inside")
    os.mkfifo(root / "folder" / "pipe.bin")
    folder = Source.at(root / "folder")

    files = folder.tree(".bin", order=str, pass_over=print)

    assert [*files] == [*folder.children()]
    assert [*files[1:]] == [*folder.children()[1:]]
