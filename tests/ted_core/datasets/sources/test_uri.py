"""Only what lies under the allowed folders can be named, however it is spelled."""

from pathlib import Path

import pytest

from ted_core.datasets import DatasetSpec, inspect
from ted_core.datasets.sources.uri import locate
from ted_core.errors import DatasetNotAllowed, DatasetNotFound


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An allowed folder with a data set in it, beside one that is not allowed."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "data.parquet").write_bytes(b"")
    folder = tmp_path / "allowed"
    (folder / "deep").mkdir(parents=True)
    (folder / "data.parquet").write_bytes(b"")
    return folder


def refused(uri: str, root: Path) -> DatasetNotAllowed:
    with pytest.raises(DatasetNotAllowed) as refusal:
        locate(uri, roots=[root])
    assert refusal.value.field == "dataset.uri"
    return refusal.value


ACCEPTED = ["{}/data.parquet", "file://{}/data.parquet", "file://{}/%64ata.parquet", "{}/data.parquet/"]
REFUSED = [
    "file:{}/data.parquet",
    "file:/{}/data.parquet/..",
    "file:///{}/data.parquet",
    "file://localhost{}/data.parquet",
    "file://127.0.0.1{}/data.parquet",
    "FILE://{}/data.parquet",
    "File://{}/data.parquet",
    "file://file://{}/data.parquet",
    " {}/data.parquet",
    "/{}/data.parquet",
    "{}//data.parquet",
    "{}/./data.parquet",
    "{}/data.parquet//",
    "{}/data.parquet/.",
    "{}/deep/../data.parquet",
    "{}\\data.parquet",
    "file://{}/data.parquet%",
    "file://{}/data.parquet%zz",
    "file://{}/data%ff.parquet",
    "file://{}/data%2a",
    "file://{}/data.parquet%0a",
    "file://{}/data.parquet%7f",
    "s3:{}/data.parquet",
    "s3:/{}/data.parquet",
    "s3://{}/data.parquet",
    "S3://bucket/data.parquet",
    "s3://user@bucket/data.parquet",
    "s3://key:secret@bucket/data.parquet",
    "s3://bucket:9000/data.parquet",
    "s3://bucket/./data.parquet",
    "s3://bucket//data.parquet",
    "s3://bucket/data.parquet//",
    "s3a://bucket/data.parquet",
    "gs:/bucket/data.parquet",
]


@pytest.mark.parametrize("spelling", ACCEPTED)
def test_a_file_has_these_spellings(spelling: str, root: Path) -> None:
    assert locate(spelling.format(root), roots=[root]).path == str(root / "data.parquet")


@pytest.mark.parametrize("spelling", REFUSED)
def test_a_file_has_no_other_spelling(spelling: str, root: Path) -> None:
    refused(spelling.format(root), Path("/"))
    refused(spelling.format(root), root)


def test_any_of_several_roots_will_do(root: Path) -> None:
    secret = root.parent / "secret"

    assert locate(str(secret / "data.parquet"), roots=[root, secret]).path == str(secret / "data.parquet")


def test_a_root_itself_can_be_named(root: Path) -> None:
    assert locate(str(root), roots=[root]).path == str(root)


def test_spaces_and_percent_signs_are_decoded_once_in_uris_and_never_in_paths(root: Path) -> None:
    for name in ("a b", "a%20b"):
        (root / name).mkdir()

    assert locate(f"file://{root}/a%20b", roots=[root]).path == str(root / "a b")
    assert locate(f"{root}/a%20b", roots=[root]).path == str(root / "a%20b")


@pytest.mark.parametrize("name", ["data.parquet", "missing.parquet"])
def test_outside_the_roots_nothing_tells_what_exists(name: str, root: Path) -> None:
    refusal = refused(f"{root.parent}/secret/{name}", root)

    assert refusal.fact == f"{root.parent}/secret/{name} lies outside the allowed folders"


def test_a_folder_whose_name_merely_begins_like_a_root_is_outside(root: Path) -> None:
    (root.parent / "allowed-not").mkdir()

    refused(f"{root.parent}/allowed-not", root)


@pytest.mark.parametrize(
    "tail",
    ["/../secret/data.parquet", "/deep/../data.parquet", "/data.parquet\0.csv", "/data.parquet\n", "\\..\\secret"],
)
def test_spellings_that_hide_something_are_refused(tail: str, root: Path) -> None:
    refused(f"file://{root}{tail}", root)
    refused(f"{root}{tail}", root)


@pytest.mark.parametrize(
    "tail",
    [
        "/%2e%2e/secret/data.parquet",
        "/.%2E/secret/data.parquet",
        "/deep%2f..%2fdata.parquet",
        "/deep%5c..%5cdata.parquet",
        "/data.parquet%00",
        "/100%.parquet",
        "/data.parquet#part",
        "/data.parquet?version=1",
    ],
)
def test_escapes_that_hide_something_are_refused_in_a_uri_and_mean_themselves_in_a_path(tail: str, root: Path) -> None:
    assert "a path without file:// is taken literally" in refused(f"file://{root}{tail}", root).fact
    with pytest.raises(DatasetNotFound):
        locate(f"{root}{tail}", roots=[root])


@pytest.mark.parametrize("tail", ["/%252e%252e/secret", "/%23", "/%3F", "/%2523"])
def test_escapes_are_decoded_once_and_lead_nowhere_else(tail: str, root: Path) -> None:
    with pytest.raises(DatasetNotFound):
        locate(f"file://{root}{tail}", roots=[root])


NAMES = ["a#b", "#1", "what?", "100%", "a%23b", "%2e%2e", "%", "a%20b", "a b", "ä+&=;,~@!$'()", "[0]", "%2523", "a%2Fb"]


@pytest.mark.parametrize("name", NAMES)
def test_names_hold_whatever_a_file_systems_names_do(name: str, root: Path) -> None:
    path = root / f"{name}.parquet"
    path.write_bytes(b"")
    (root / name).mkdir()
    (root / name / "data.parquet").write_bytes(b"")

    for file in (path, root / name, root / name / "data.parquet"):
        assert locate(str(file), roots=[root]).path == str(file)
        assert locate(file.as_uri(), roots=[root]).path == str(file)


@pytest.mark.parametrize(
    "uri",
    [
        "data.parquet",
        "./data.parquet",
        "~/data.parquet",
        "http://localhost/data.parquet",
        "https://host/data.parquet",
        "s3://bucket/data.parquet",
        "file://elsewhere/data.parquet",
        "file:data.parquet",
        "//[",
        "file://[::1/data",
        "/\ud800",
        "",
        " ",
    ],
)
def test_whatever_is_neither_an_absolute_path_nor_a_local_file_uri_is_refused(uri: str) -> None:
    refused(uri, Path("/"))


def test_a_link_that_leads_outside_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret")

    refused(f"{root}/link/data.parquet", root)


def test_a_link_that_stays_inside_is_followed(root: Path) -> None:
    (root / "link").symlink_to(root / "data.parquet")

    assert locate(f"{root}/link", roots=[root]).path == str(root / "data.parquet")


def test_a_shard_that_is_a_link_to_the_outside_is_refused(root: Path) -> None:
    (root / "deep" / "part-0.parquet").symlink_to(root.parent / "secret" / "data.parquet")

    with pytest.raises(DatasetNotAllowed):
        inspect(DatasetSpec(uri=str(root / "deep"), task="tabular-classification"), roots=[root])


def test_a_root_that_is_a_link_is_a_root(root: Path) -> None:
    (root.parent / "alias").symlink_to(root)

    assert locate(f"{root.parent}/alias/data.parquet", roots=[root.parent / "alias"]).path == str(root / "data.parquet")


def test_links_in_a_loop_are_refused(root: Path) -> None:
    (root / "loop").symlink_to(root / "loop")

    with pytest.raises((DatasetNotAllowed, DatasetNotFound)):  # Python 3.13 follows a loop to nowhere
        locate(f"{root}/loop", roots=[root])


@pytest.mark.parametrize("name", ["missing.parquet", "data.parquet/inside", "n" * 300])
def test_what_would_be_allowed_but_is_not_there_is_not_found(name: str, root: Path) -> None:
    with pytest.raises(DatasetNotFound) as refusal:
        locate(f"{root}/{name}", roots=[root])

    assert refusal.value.field == "dataset.uri"


def test_without_roots_nothing_can_be_read(root: Path) -> None:
    with pytest.raises(DatasetNotAllowed):
        locate(str(root), roots=[])
