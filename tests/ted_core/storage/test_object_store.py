"""An object's URI is read in one way only, and a store's answers mean the same whichever store it is."""

import pytest
from pyarrow import fs

from ted_core.errors import StoreRefused, StoreUnavailable
from ted_core.storage.object_store import ObjectUri, store_error
from tests.servers.object_stores import reached

GOOGLE = "google::cloud::Status(%s: what it says error_info={})"


@pytest.mark.parametrize("uri", ["s3://bucket", "gs://bucket/a/b c", "s3://bucket/a..b/.c/%41+é"])
def test_a_uri_is_written_as_it_was_read(uri: str) -> None:
    assert str(ObjectUri.parse(uri)) == str(ObjectUri.parse(f"{uri}/")) == uri


@pytest.mark.parametrize("uri", ["s3://", "s3:///a", "s3://b/a", "s3://-b/a", "az://bucket/a", "s3://bucket:80/a"])
def test_what_names_no_bucket_is_no_uri(uri: str) -> None:
    with pytest.raises(ValueError, match=r"bucket's name|is not among s3, gs"):
        ObjectUri.parse(uri)


@pytest.mark.parametrize("key", ["a//b", "/a", "a/../b", "..", "a/.", "a//"])
def test_a_key_has_no_parts_that_could_be_read_in_two_ways(key: str) -> None:
    with pytest.raises(ValueError, match="never empty"):
        ObjectUri.parse(f"s3://bucket/{key}")


def test_a_key_is_text() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        ObjectUri.parse("s3://bucket/\ud800")


def test_what_lies_in_a_folder_is_told_by_whole_parts() -> None:
    folder = ObjectUri.parse("s3://bucket/data")

    assert ObjectUri.parse("s3://bucket/data/a").is_relative_to(folder)
    assert folder.is_relative_to(folder)
    for elsewhere in ("s3://bucket/database", "s3://bucket", "gs://bucket/data/a", "s3://other/data/a"):
        assert not ObjectUri.parse(elsewhere).is_relative_to(folder)


def test_a_scheme_has_a_file_system_of_its_own_kind() -> None:
    with reached({"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "https://store.example/"}):
        s3 = ObjectUri.parse("S3://bucket/key").filesystem
        assert isinstance(s3, fs.S3FileSystem)
        assert s3.region == "eu-central-1"
    assert isinstance(ObjectUri.parse("gs://bucket/key").filesystem, fs.GcsFileSystem)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("PERMISSION_DENIED", StoreRefused),
        ("UNAUTHENTICATED", StoreRefused),
        ("UNAVAILABLE", StoreUnavailable),
        ("RESOURCE_EXHAUSTED", StoreUnavailable),
    ],
)
def test_googles_answers_mean_the_same_as_amazons(code: str, error: type[Exception]) -> None:
    assert type(store_error(OSError(GOOGLE % code))) is error


def test_without_credentials_google_refuses_rather_than_fails() -> None:
    said = "UNAVAILABLE: Could not create a OAuth2 access token to authenticate the request"

    assert isinstance(store_error(OSError(GOOGLE % said)), StoreRefused)


def test_what_is_wrong_with_a_file_is_no_trouble_of_the_store() -> None:
    assert store_error(OSError("Not a gzipped file")) is None
    assert store_error(ValueError("AWS Error")) is None
