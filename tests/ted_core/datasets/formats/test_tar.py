"""The files of an archive come one after another, and all of them, or else reading it ends in words."""

import gzip
import io
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets.formats import tar
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetUnreadable

FILES = [("0.jpg", b"picture" * 100), ("0.cls", b"3"), ("deep/er/1.jpg", b""), ("deep/er/1.cls", bytes(512))]
BLOCK, MIB = 512, 1 << 20
HEADERS, END_MARK = (0, 3 * BLOCK, 5 * BLOCK, 6 * BLOCK), 8 * BLOCK
"""Where these are in an archive of these files."""


def archive(path: Path, files: Iterable[tuple[str, bytes]], *, layout: int = tarfile.GNU_FORMAT) -> Path:
    """A tar archive with these files, gzipped if its name ends in .gz."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w", format=layout) as packed:
        for name, content in files:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            packed.addfile(header, io.BytesIO(content))
    return path


def read(path: Path) -> list[tuple[str, bytes]]:
    return [(name, content) for name, content in tar.archive_files(Source.at(path), read_content=lambda _: True)]


def refused(path: Path) -> str:
    with pytest.raises(DatasetUnreadable) as refusal:
        read(path)
    assert refusal.value.field == "dataset.uri"
    assert refusal.value.fact.startswith(f"{path.name} cannot be read after ")
    return refusal.value.fact


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return archive(tmp_path / "a.tar", FILES)


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_names_and_contents_come_in_order(tmp_path: Path, name: str, layout: int) -> None:
    long_names = [(f"{'folder/' * 30}{number}.jpg", b"x" * number) for number in range(3)]
    files = FILES if layout == tarfile.USTAR_FORMAT else [*FILES, *long_names, ("größe.txt", "größe".encode())]

    assert read(archive(tmp_path / name, files, layout=layout)) == files


def test_only_contents_that_are_wanted_are_read(path: Path) -> None:
    labels = [
        content for _, content in tar.archive_files(Source.at(path), read_content=lambda name: name.endswith(".cls"))
    ]

    assert labels == [b"", b"3", b"", bytes(512)]


def test_folders_and_links_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "0.jpg").write_bytes(b"x")
    (tmp_path / "folder" / "1.jpg").symlink_to("/etc/hostname")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        packed.add(tmp_path / "folder", "folder")

    assert read(tmp_path / "a.tar") == [("folder/0.jpg", b"x")]


def test_an_archive_may_be_empty(tmp_path: Path) -> None:
    assert read(archive(tmp_path / "a.tar", [])) == []
    assert read(archive(tmp_path / "a.tar.gz", [])) == []


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_an_archive_that_was_cut_short_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    content = archive(tmp_path / name, FILES).read_bytes()
    whole = len(content) if name.endswith(".gz") else END_MARK + 1

    for length in [*range(0, whole, 101), *range(0, whole, BLOCK)]:
        (tmp_path / name).write_bytes(content[:length])
        refused(tmp_path / name)


def test_a_cut_within_a_file_names_that_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 2 * BLOCK])

    assert "after '0.jpg' (unexpected end of data)" in refused(path)


def test_a_cut_between_two_files_names_the_one_before(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * BLOCK])

    assert "after '0.jpg' (the next header is damaged, or the archive was cut short)" in refused(path)


def test_a_damaged_header_does_not_pass_for_the_end(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3 * BLOCK + 10] ^= 1
    path.write_bytes(content)

    assert "after '0.jpg' (the next header is damaged" in refused(path)


def test_what_follows_the_end_is_not_lost_silently(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)

    assert "were two archives joined?" in refused(path)


def test_a_checksum_that_does_not_hold_is_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", FILES)
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)

    assert "CRC check failed" in refused(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4" + bytes(600), b"no archive at all"], ids=["empty", "zip", "text"])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    assert "its beginning" in refused(tmp_path / name)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", [("0.jpg", b""), ("\udcff.jpg", b"")])

    assert r"'\udcff.jpg'" in refused(path)


# --- absurd sizes -----------------------------------------------------------------------------------------------------


def headed(path: Path, *, kind: bytes = tarfile.REGTYPE, size: int, layout: int = tarfile.GNU_FORMAT) -> Path:
    """An archive whose second file declares this size; little follows."""
    header = tarfile.TarInfo("huge.jpg")
    header.type, header.size = kind, size
    sound = tarfile.TarInfo("0.jpg")
    path.write_bytes(sound.tobuf() + header.tobuf(layout) + bytes(20 * BLOCK))
    return path


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [256 * MIB + 1, 1 << 40])
def test_a_file_that_declares_an_absurd_size_is_refused(tmp_path: Path, size: int, layout: int) -> None:
    path = headed(tmp_path / "a.tar", size=size, layout=layout)

    assert f"'huge.jpg' (it declares {size:,} bytes, more than 268,435,456)" in refused(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_that_declares_an_absurd_size_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = headed(tmp_path / "a.tar", kind=kind, size=1 << 40)

    assert "after '0.jpg' (a header declares 1,099,511,627,776 bytes)" in refused(path)


def test_an_absurd_size_is_refused_even_where_the_content_is_there(tmp_path: Path) -> None:
    header = tarfile.TarInfo("huge.jpg")
    header.size = 300 * MIB
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(header.tobuf())

    assert "314,572,800" in refused(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@given(data=st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_nothing_is_lost_without_a_word(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray(archive(tmp_path / name, FILES, layout=tarfile.PAX_FORMAT).read_bytes())
    headers = [start + position for start in HEADERS for position in range(BLOCK)]
    positions = st.sampled_from(headers) if name == "a.tar" else st.integers(0, len(content) - 1)
    content[data.draw(positions)] ^= data.draw(st.integers(1, 255))
    (tmp_path / name).write_bytes(content)

    try:
        names = [name for name, _ in read(tmp_path / name)]
    except DatasetUnreadable as error:
        assert error.fact
    else:
        assert names == [name for name, _ in FILES]


# --- forged headers ---------------------------------------------------------------------------------------------------


def with_records(path: Path, records: bytes) -> Path:
    """An archive whose second file has these extended records."""
    header, file = tarfile.TarInfo("records"), tarfile.TarInfo("1.jpg")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    padding = bytes(-len(records) % BLOCK)
    path.write_bytes(tarfile.TarInfo("0.jpg").tobuf() + header.tobuf() + records + padding + file.tobuf() + bytes(9999))
    return path


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (b"19 size=-999999999\n", "it declares -999,999,999 bytes"),
        (b"22 GNU.sparse.map=0,1\n28 GNU.sparse.size=99999999\n", "it is sparse"),
        (b"1" * 5000, "a number of more than 255 digits"),
        (b"2 " * 8000, "a header declares 16,384 bytes"),
        (b"9" * 200 + b" path=x\n", ""),
        (b"20 path=\xff\xfe\xfd\xfc1.jpg\n", ""),
    ],
)
def test_forged_records_are_refused_at_once(tmp_path: Path, records: bytes, says: str) -> None:
    start = time.perf_counter()

    assert says in refused(with_records(tmp_path / "a.tar", records))
    assert time.perf_counter() - start < 1


def test_headers_that_only_lead_to_other_headers_are_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("more")
    header.type, header.size = tarfile.XGLTYPE, BLOCK
    (tmp_path / "a.tar").write_bytes((header.tobuf() + b"8 a=bcd\n".ljust(BLOCK, b"\0")) * 5000)

    assert "a header has more than 8,192 bytes" in refused(tmp_path / "a.tar")
