"""Datasets that were made to do harm: small files that claim to be huge, others in disguise, names full of tricks."""

import io
import json
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from ted_core.datasets import DatasetSpec, load
from ted_core.datasets.formats.parquet import LONGEST_FOOTER
from ted_core.errors import DatasetNotAllowed
from ted_core.results.report_page import render
from ted_jobs.settings import Settings
from tests.reports import a_report, class_of
from tests.service.conftest import Json
from tests.service.datasets import IMAGES, LABELS, png
from tests.ted_core.datasets.forged import deep_paths, zigzag
from tests.worker.ranks.alone import alone
from worker.messages import Assignment
from worker.runner import run_assignment

EVIL = "\x1b[2J\x1b]0;owned\x07\r\n<script>alert(1)</script>\u202e"
"""A name that clears a terminal, renames it, ends a header, runs in a browser and turns text round."""
LONGEST_NAME = 1_000_000
MEMORY_BYTES = 100 << 20
"""What looking at a bomb may take, where it might as well take gigabytes."""


# --- another dataset when it is read ----------------------------------------------------------------------------------


def test_a_runner_refuses_a_link_redirected_outside_after_submission(
    client: TestClient, submission: Callable[..., Json], settings: Settings, data: Path, tmp_path: Path
) -> None:
    outside, link = tmp_path / "images.parquet", data / f"link-{tmp_path.name}.parquet"
    outside.write_bytes((data / "images.parquet").read_bytes())
    link.symlink_to(data / "images.parquet")
    body = submission(link.name)

    taken = client.post("/v1/jobs", json=body)
    link.unlink()
    link.symlink_to(outside)

    assert taken.status_code == 202
    given = assignment(body, settings, folder=tmp_path)
    with pytest.raises(DatasetNotAllowed, match="outside the allowed folders"):
        run_assignment(given, lambda _: None, alone(given))
    link.unlink()


def assignment(body: Json, settings: Settings, *, folder: Path) -> Assignment:
    return Assignment.model_validate(
        {
            "job_id": "job_1",
            "spec": body,
            "dataset_guard": "of the dataset that was taken",
            "dataset_roots": settings.dataset_roots,
            "folder": folder,
            "device": "cpu",
            "threads": 1,
            "memory_bytes": None,
            "max_undecodable": 0.01,
        }
    )


# --- bombs ------------------------------------------------------------------------------------------------------------


def with_rows(path: Path, rows: int, *, everywhere: bool) -> None:
    """A Parquet file whose footer claims these rows: in its sum only, or in its row groups too."""
    truth = 12_345
    table = pa.table({"length": np.zeros(truth), "label": np.arange(truth) % 4})
    pq.write_table(table, path, use_dictionary=False)
    content = path.read_bytes()
    begin = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer = content[begin:-8].replace(zigzag(truth), zigzag(rows), -1 if everywhere else 1)
    path.write_bytes(content[:begin] + footer + struct.pack("<I", len(footer)) + b"PAR1")


def a_long_footer(path: Path) -> None:
    """A Parquet file with a name that is as long as a footer may be."""
    pq.write_table(pa.table({"x" * LONGEST_FOOTER: LABELS, "label": LABELS}), path)


def an_npz_header(path: Path) -> None:
    """A small archive with a header of 256 MiB."""
    size, labels = 1 << 28, io.BytesIO()
    np.save(labels, np.array(LABELS))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", labels.getvalue())
        with archive.open("x.npy", "w", force_zip64=True) as file:
            file.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", size))
            for _ in range(size >> 20):
                file.write(b" " * (1 << 20))


def an_npz_array(path: Path) -> None:
    """An archive whose headers tell of 2⁴⁰ images."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, shape in (("x", (1 << 40, 8, 8)), ("y", (1 << 40,))):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(100))


BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "rows.parquet": (lambda path: with_rows(path, 1 << 40, everywhere=True), "dataset_too_large"),
    "sum.parquet": (lambda path: with_rows(path, 1 << 40, everywhere=False), "dataset_unreadable"),
    "most.parquet": (lambda path: with_rows(path, (1 << 63) - 1, everywhere=True), "dataset_too_large"),
    "negative.parquet": (lambda path: with_rows(path, -5, everywhere=True), "dataset_unreadable"),
    "footer.parquet": (a_long_footer, "dataset_unreadable"),
    "header.npz": (an_npz_header, "dataset_unreadable"),
    "array.npz": (an_npz_array, "dataset_too_large"),
}
LOOK = """
import json, resource, sys  # in a process of its own, for memory is measured at its highest
from pathlib import Path
from ted_core.datasets import DatasetSpec, inspect
from ted_core.errors import TedError

kinds = {".parquet": ("parquet", "tabular-classification"), ".npz": ("npz", "image-classification")}
unit = 1 if sys.platform == "darwin" else 1024
for path in map(Path, sys.argv[1:]):
    kind, task = kinds[path.suffix]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        code = str(inspect(DatasetSpec(uri=str(path), format=kind, task=task), roots=[path.parent]))
    except TedError as error:
        code = error.code()
    print(json.dumps([path.name, code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit]))
"""


def test_a_decompression_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    for name, (make, _) in BOMBS.items():
        make(tmp_path / name)

    paths = [str(tmp_path / name) for name in BOMBS]
    told = subprocess.run([sys.executable, "-c", LOOK, *paths], check=True, capture_output=True, text=True).stdout

    found = {name: (code, taken) for name, code, taken in map(json.loads, told.splitlines())}
    assert {name: code for name, (code, _) in found.items()} == {name: code for name, (_, code) in BOMBS.items()}
    assert {name: taken for name, (_, taken) in found.items() if taken > MEMORY_BYTES} == {}


def test_a_footer_that_takes_gigabytes_once_it_is_read_ends_no_more_than_a_look_at_it(
    client: TestClient, submission: Callable[..., Json], data: Path, must_refuse: Callable[..., None]
) -> None:
    deep_paths(data / "deep.parquet", columns=14_000)
    body = submission("deep.parquet", dataset={"task": "tabular-classification"}, proxy={"name": "mlp"})

    answer = client.post("/v1/jobs", json=body)

    assert (data / "deep.parquet").stat().st_size < 200_000
    must_refuse(answer, code="dataset_unreadable", field=answer.json()["errors"][0]["field"], says="")
    assert client.post("/v1/jobs", json=submission()).status_code == 202


def test_an_overflowing_row_count_is_a_client_error(
    client: TestClient, submission: Callable[..., Json], data: Path, tmp_path: Path, must_refuse: Callable[..., None]
) -> None:
    folder = data / f"most-{tmp_path.name}"
    folder.mkdir()
    for name in ("a.parquet", "b.parquet"):
        with_rows(folder / name, (1 << 63) - 1, everywhere=True)
    body = submission(folder.name, dataset={"task": "tabular-classification"}, proxy={"name": "mlp"})

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code="dataset_too_large", field="dataset.uri", says="claims to have 18,446,744,073,709,551,614")


def test_an_image_that_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    side = 60_000
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compressobj(9)
    rows = b"".join(pixels.compress(bytes(side // 8 + 1)) for _ in range(side)) + pixels.flush()
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"image": [png(1)] * 199 + [bomb], "label": [0, 1] * 100}), path)

    samples = load(DatasetSpec(uri=str(path), task="image-classification"), roots=[tmp_path])

    assert len(bomb) < 1 << 20
    assert samples.inputs.nbytes == 199 * 8 * 8


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def evil(data: Path) -> str:
    """A dataset with names that mean harm, one of them a megabyte long."""
    table = pa.table({"image": IMAGES, EVIL: LABELS, "x" * LONGEST_NAME: LABELS})
    pq.write_table(table, data / "evil.parquet")
    return "evil.parquet"


def test_hostile_names_are_shortened_and_escaped_in_messages(
    client: TestClient, submission: Callable[..., Json], evil: str
) -> None:
    answer = client.post("/v1/jobs", json=submission(evil))

    told = answer.json()["detail"]
    assert answer.json()["code"] == "unknown_column"
    assert "owned" in told and told.isprintable()
    assert len(answer.content) < 2_000


def test_a_hostile_column_name_is_only_text_everywhere(
    client: TestClient, submission: Callable[..., Json], evil: str
) -> None:
    body = submission(evil, dataset={"target": EVIL}, metadata={"team": EVIL})

    answers = [client.post(f"/v1/jobs{query}", json=body) for query in ("", "?validate_only=true")]

    assert [answer.status_code for answer in answers] == [202, 200]
    assert all(answer.json()["dataset"]["target"] == EVIL for answer in answers)
    assert answers[0].json()["metadata"] == {"team": EVIL}
    assert not any(set(answer.content) & set(range(32)) for answer in answers), "JSON escapes control characters"


def test_no_report_page_contains_control_characters_or_markup_of_a_class_name() -> None:
    page = render(a_report(classes=(class_of(f"{EVIL}\x9b2J", 10, 5), class_of("cat", 10, 5))))

    assert "<script>alert" not in page
    assert not re.search(r"[\x01-\x08\x0b-\x1f\x7f-\x9f]", page)


def test_a_key_that_looks_like_a_path_is_only_text(tmp_path: Path) -> None:
    root = tmp_path / "data" / "deep"
    root.mkdir(parents=True)
    with tarfile.open(root / "train.tar", "w") as archive:
        for row in range(20):
            for suffix, content in (("png", IMAGES[row]), ("cls", str(row % 2).encode())):
                member = tarfile.TarInfo(f"../../{row:02}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    named = {"uri": str(root / "train.tar"), "format": "webdataset", "task": "image-classification"}
    samples = load(DatasetSpec(**named), roots=[root])

    assert samples.sample_key is not None
    assert samples.sample_key[0].as_py() == "../../00"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["train.tar"]
