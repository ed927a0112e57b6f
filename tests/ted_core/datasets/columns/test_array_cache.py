"""Inputs that memory has no room for lie in a file, which later jobs find."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ted_core.datasets import Limits
from ted_core.datasets.columns.array_cache import ArrayCache, DecodedInputs
from ted_core.errors import DatasetTooLarge

SIZE = 100 * 4 * 4
"""Bytes of what is put into a cache here."""


def limits(cache: Path | None, *, memory: int = 4 * SIZE - 1, disk: int | None = None, of: str = "data") -> Limits:
    return Limits(memory_bytes=memory, cache=cache, cache_bytes=disk, identity=of)


def filled(cache: ArrayCache, *, rows: int = 100) -> DecodedInputs:
    """Numbers in the first rows of a cache; the others could not be decoded."""
    array = cache.array((100, 4), np.float32, "The numbers")
    array[:rows] = np.arange(4 * rows).reshape(-1, 4)
    return DecodedInputs(array[:rows], np.arange(100) < rows)


def settled(given: Limits, *, rows: int = 100, **settings: object) -> DecodedInputs:
    with ArrayCache(given, **settings) as cache:
        return cache.save(filled(cache, rows=rows))


def cached(given: Limits, **settings: object) -> DecodedInputs | None:
    with ArrayCache(given, **settings) as cache:
        return cache.load()


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def test_a_quarter_of_the_memory_is_for_inputs_and_what_is_larger_is_mapped(tmp_path: Path) -> None:
    small, large = settled(limits(tmp_path, memory=4 * SIZE)), settled(limits(tmp_path, memory=4 * SIZE - 1))

    assert not isinstance(small.inputs, np.memmap)
    assert isinstance(large.inputs, np.memmap)
    np.testing.assert_array_equal(large.inputs, small.inputs)


def test_what_was_mapped_is_found_by_the_next_job(tmp_path: Path) -> None:
    saved = settled(limits(tmp_path), rows=90, size=8)

    again = cached(limits(tmp_path), size=8)

    assert again is not None
    np.testing.assert_array_equal(again.inputs, saved.inputs)
    np.testing.assert_array_equal(again.inputs, np.arange(360).reshape(90, 4))
    np.testing.assert_array_equal(again.usable, saved.usable)


@pytest.mark.parametrize(("of", "size"), [("other data", 8), ("data", 9)])
def test_other_data_and_other_settings_find_nothing(tmp_path: Path, of: str, size: int) -> None:
    settled(limits(tmp_path), size=8)

    assert cached(limits(tmp_path, of=of), size=size) is None


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda sound: sound[:-1],
    "one bit flipped": lambda sound: sound[:300] + bytes([sound[300] ^ 1]) + sound[301:],
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_not_used_and_removed(tmp_path: Path, damage: str) -> None:
    settled(limits(tmp_path))
    (file,) = files(tmp_path)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))

    assert cached(limits(tmp_path)) is None
    assert files(tmp_path) == []


def test_of_data_that_is_not_known_again_no_file_is_left(tmp_path: Path) -> None:
    saved = settled(limits(tmp_path, of=""))

    assert files(tmp_path) == []
    np.testing.assert_array_equal(saved.inputs, np.arange(400).reshape(100, 4))


def test_what_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ArrayCache(limits(tmp_path)) as cache:
        filled(cache).inputs[0] = 1 / 0

    assert files(tmp_path) == []


def test_what_later_jobs_find_cannot_be_changed(tmp_path: Path) -> None:
    saved = settled(limits(tmp_path))

    with pytest.raises(ValueError, match="read-only"):
        saved.inputs[0] = 1


def test_more_than_the_disk_may_hold_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetTooLarge, match="The numbers take 1,600 bytes"):
        settled(limits(tmp_path, disk=SIZE - 1))
    assert files(tmp_path) == []

    assert len(settled(limits(tmp_path, disk=SIZE)).inputs) == 100


def test_what_is_older_makes_room(tmp_path: Path) -> None:
    (tmp_path / "older").write_bytes(b"x" * SIZE)
    (tmp_path / "younger").write_bytes(b"x" * 10)

    settled(limits(tmp_path, disk=SIZE + 10), size=8)

    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".npy")) == ["younger"]


def test_without_a_folder_all_of_the_memory_is_for_inputs() -> None:
    assert len(settled(limits(None, memory=SIZE)).inputs) == 100

    with pytest.raises(DatasetTooLarge):
        settled(limits(None, memory=SIZE - 1))


def test_a_full_disk_is_told_before_anything_is_written_to_the_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)

    with pytest.raises(OSError, match="No space left"):
        settled(limits(tmp_path))
    assert files(tmp_path) == []
