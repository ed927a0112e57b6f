"""A folder and a bucket look alike to whoever sweeps them."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ted_core.storage.file_store import FileStore
from ted_core.storage.object_store import ObjectUri
from ted_core.storage.roots import file_store
from tests.servers import object_stores

Write = Callable[[str], None]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, object_stores.Store]]:
    """Scheme → store."""
    with (
        object_stores.s3() as s3,
        object_stores.google() as google,
        object_stores.reached({**s3.environment, **google.environment}),
    ):
        yield {"s3": s3, "gs": google}


@pytest.fixture(params=["folder", *object_stores.KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[FileStore, Write]:
    """A root, and how a test writes to it."""
    if kind != "folder":
        server, prefix = request.getfixturevalue("servers")[kind], str(uuid.uuid4())
        uri = ObjectUri.parse(f"{kind}://{object_stores.BUCKET}/{prefix}")
        return file_store(uri), lambda key: server.write(b"x", to=f"{prefix}/{key}") and None

    def write(key: str) -> None:
        (tmp_path / "root" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / key).write_text("x")

    return file_store(tmp_path / "root"), write


def now_and_a_bit() -> float:
    return time.time() + 60


def test_a_place_that_does_not_exist_yet_is_empty(root: tuple[FileStore, Write]) -> None:
    assert root[0].names() == []


def test_folders_are_listed_with_all_that_lies_in_them_what_holds_others_first(root: tuple[FileStore, Write]) -> None:
    files, write = root
    for key in ("job/1/manifest", "job/1/report", "job/checkpoints/3", "other/1/manifest"):
        write(key)

    keys = files.old_keys("job", before=now_and_a_bit())

    assert sorted(files.names()) == ["job", "other"]
    assert {"job", "job/1/manifest", "job/1/report", "job/checkpoints/3"} <= set(keys)
    assert keys.index("job") < keys.index("job/1/manifest")
    assert not any(key.startswith("other") for key in keys)


def test_young_files_are_not_listed(root: tuple[FileStore, Write]) -> None:
    files, write = root
    write("job/1/manifest")

    assert "job/1/manifest" not in files.old_keys("job", before=time.time() - 60)


def test_files_go_first_and_folders_only_once_they_are_empty(root: tuple[FileStore, Write]) -> None:
    files, write = root
    write("job/1/manifest")
    write("job/2/manifest")

    assert not files.delete("job")
    assert not files.delete("job/1")
    assert files.delete("job/1/manifest")
    assert files.old_keys("job", before=now_and_a_bit()).count("job/2/manifest") == 1


def test_all_of_a_folder_can_be_removed_from_the_end(root: tuple[FileStore, Write]) -> None:
    files, write = root
    for key in ("job/1/manifest", "job/2/manifest", "job/checkpoints/3"):
        write(key)

    for key in reversed(files.old_keys("job", before=now_and_a_bit())):
        files.delete(key)

    assert files.names() == []


def test_a_mark_is_a_name_at_the_top(root: tuple[FileStore, Write]) -> None:
    files, write = root
    write("job/1/manifest")

    files.write_marker(".mark")
    files.write_marker(".mark")

    assert sorted(files.names()) == [".mark", "job"]


def test_removing_what_is_gone_is_no_error(root: tuple[FileStore, Write]) -> None:
    assert not root[0].delete("job/1/manifest")
