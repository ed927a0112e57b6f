"""A manifest says which rows were kept, proves it, and refuses to be used with another dataset."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.errors import ManifestMismatch
from ted_core.results.manifest import (
    DECISIONS_SCHEMA,
    MANIFEST_SCHEMA,
    METADATA_KEY,
    read_manifest,
    read_metadata,
    verify,
)
from ted_core.results.manifest_writer import WrittenManifest, write_manifest
from ted_core.storage.digests import ContentDigest, combined_digest, indices_digest
from ted_core.warnings import JobWarning
from tests.ted_core.results import version_1
from tests.ted_core.results.decided import KEPT, ROWS, SHARD_ROWS, decided, provenance


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder of two Parquet files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number, rows in enumerate(SHARD_ROWS):
        table = pa.table({"x": np.arange(rows, dtype=np.float32) + number, "label": np.arange(rows) % 2})
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


@pytest.fixture
def written(tmp_path: Path, dataset: Path) -> WrittenManifest:
    return write_manifest(tmp_path / "out", decided(), provenance=provenance(dataset))


def rewritten(path: Path, table: pa.Table, metadata: bytes | None = None) -> Path:
    """The manifest at ``path`` with another content under the old metadata."""
    facts = metadata or pq.read_schema(path).metadata[METADATA_KEY]
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: facts}), path)
    return path


def test_the_retained_rows_come_back_in_order_with_their_shard(written: WrittenManifest) -> None:
    manifest = read_manifest(written.manifest)

    assert manifest.row_indices.dtype == np.int64
    assert manifest.row_indices.tolist() == list(KEPT)
    table = manifest.table()
    assert table.schema.remove_metadata() == MANIFEST_SCHEMA
    assert table["shard"].to_pylist() == [0, 0, 1, 1]
    assert table["row_in_shard"].to_pylist() == [1, 2, 0, 4]
    assert table["label"].to_pylist() == ["dog", "cat", None, "cat"]
    assert table["sample_key"].to_pylist() == ["row-1", "row-2", "row-3", "row-7"]


def test_the_decisions_hold_every_row_and_say_why(written: WrittenManifest) -> None:
    table = pq.read_table(written.decisions)

    assert table.schema.remove_metadata() == DECISIONS_SCHEMA
    assert table["row_index"].to_pylist() == list(range(ROWS))
    assert np.flatnonzero(table["kept"].to_numpy()).tolist() == list(KEPT)
    assert set(table["reason"].to_pylist()) == {"kept", "well generalized (redundant)"}


def test_what_the_pretrained_model_knew_stands_beside_what_the_twins_know_or_is_null(
    tmp_path: Path, dataset: Path, written: WrittenManifest
) -> None:
    base = np.linspace(0, 0.5, ROWS, dtype=np.float32)
    found = write_manifest(
        tmp_path / "other", replace(decided(), base_performance=base), provenance=provenance(dataset)
    )

    assert pq.read_table(written.decisions)["base_performance"].null_count == ROWS
    assert pq.read_table(found.decisions)["base_performance"].to_pylist() == base.tolist()
    assert found.metadata.content_sha256 != written.metadata.content_sha256


def test_margins_probabilities_and_weights_stand_with_the_rows(
    tmp_path: Path, dataset: Path, written: WrittenManifest
) -> None:
    margin = np.linspace(-1, 1, ROWS, dtype=np.float32)
    probability = np.array([0.5, 0.25, 0.5, 1, 0.5, 0.5, np.nan, 0.5], np.float32)
    drawn = replace(decided(), margin=margin, inclusion_probability=probability)

    found = write_manifest(tmp_path / "drawn", drawn, provenance=provenance(dataset))

    table, every = read_manifest(found.manifest).table(), pq.read_table(found.decisions)
    assert every["margin"].to_pylist() == margin.tolist()
    np.testing.assert_array_equal(every["inclusion_probability"].to_numpy(), probability)
    assert table["inclusion_probability"].to_pylist() == probability[list(KEPT)].tolist()
    assert table["weight"].to_pylist() == pytest.approx([16 / 9, 8 / 9, 4 / 9, 8 / 9])
    assert found.metadata.content_sha256 != written.metadata.content_sha256
    assert found.metadata.indices_sha256 == written.metadata.indices_sha256


def test_what_was_not_drawn_has_no_probability_and_weighs_one(written: WrittenManifest) -> None:
    table, every = read_manifest(written.manifest).table(), pq.read_table(written.decisions)

    assert table["inclusion_probability"].null_count == len(KEPT)
    assert every["inclusion_probability"].null_count == every["margin"].null_count == ROWS
    assert table["weight"].to_pylist() == [1] * len(KEPT)


def test_both_files_carry_the_same_facts(written: WrittenManifest) -> None:
    facts = [pq.read_schema(path).metadata[METADATA_KEY] for path in (written.manifest, written.decisions)]

    assert facts[0] == facts[1]
    metadata = read_manifest(written.manifest).metadata
    assert (metadata.polarity, metadata.index_base, metadata.rows_kept) == ("retained", 0, len(KEPT))
    assert metadata.indices_sha256 == indices_digest(np.array(KEPT))


def test_the_files_declare_their_order_and_have_page_indexes(written: WrittenManifest) -> None:
    group = pq.ParquetFile(written.manifest).metadata.row_group(0)

    assert [column.column_index for column in group.sorting_columns] == [0]
    assert group.column(0).has_offset_index
    assert "DELTA_BINARY_PACKED" in group.column(0).encodings
    assert group.column(4).compression == "ZSTD"


def test_only_what_may_ascend_with_the_rows_has_a_least_and_a_greatest_value(written: WrittenManifest) -> None:
    group = pq.ParquetFile(written.decisions).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]

    measured = {column.path_in_schema for column in columns if column.is_stats_set}
    assert measured == {"row_index", "sample_key", "rank"}


def test_nothing_but_whole_files_is_left_behind(written: WrittenManifest) -> None:
    assert {path.name for path in written.manifest.parent.iterdir()} == {"manifest.parquet", "decisions.parquet"}


def test_equal_decisions_have_equal_content_and_different_ones_do_not(tmp_path: Path, dataset: Path) -> None:
    later = provenance(dataset).model_copy(update={"created_at": datetime(2027, 1, 1, tzinfo=UTC)})
    moved = decided().score.copy()
    moved[0] = 0.5

    first = write_manifest(tmp_path / "1", decided(), provenance=provenance(dataset)).metadata
    again = write_manifest(tmp_path / "2", decided(), provenance=later).metadata
    other = write_manifest(tmp_path / "3", replace(decided(), score=moved), provenance=later).metadata

    assert first.content_sha256 == again.content_sha256
    assert first.content_sha256 != other.content_sha256
    assert first.indices_sha256 == other.indices_sha256


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=30), st.data())
@settings(deadline=None, max_examples=50)
def test_the_content_digest_does_not_see_batches_or_encodings(texts: list[str | None], data: st.DataObject) -> None:
    schema = pa.schema([("text", pa.string()), ("number", pa.uint64())])
    table = pa.table([pa.array(texts, pa.string()), pa.array(range(len(texts)), pa.uint64())], schema=schema)
    cut = data.draw(st.integers(0, len(texts)))
    whole, parts = ContentDigest(schema), ContentDigest(schema)

    for batch in table.to_batches():
        whole.update(batch)
    for piece in (table.slice(0, cut), table.slice(cut)):
        for batch in piece.to_batches():
            encoded = batch.set_column(0, "text", batch["text"].dictionary_encode())
            parts.update(encoded)

    assert combined_digest({"t": whole}) == combined_digest({"t": parts})


def test_the_content_digest_tells_apart_texts_that_join_alike() -> None:
    schema = pa.schema([("text", pa.string())])

    digests = set()
    for texts in (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]):
        digest = ContentDigest(schema)
        digest.update(pa.record_batch([pa.array(texts, pa.string())], schema=schema))
        digests.add(combined_digest({"t": digest}))

    assert len(digests) == 4


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=1, max_size=50))
@settings(deadline=None, max_examples=30)
def test_row_indices_beyond_32_and_53_bits_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int]
) -> None:
    path = tmp_path_factory.mktemp("wide") / "rows.parquet"
    indices = np.sort(np.array(rows, np.uint64))

    pq.write_table(pa.table({"row_index": indices}), path, use_dictionary=False, column_encoding="DELTA_BINARY_PACKED")

    assert pq.read_table(path)["row_index"].to_numpy().tolist() == sorted(rows)


def test_a_manifest_is_accepted_by_the_dataset_it_was_made_from_wherever_that_lies(
    written: WrittenManifest, dataset: Path, tmp_path: Path
) -> None:
    elsewhere = dataset.rename(tmp_path / "moved")

    assert verify(written.manifest, elsewhere).row_indices.tolist() == list(KEPT)


def test_the_dataset_may_be_named_by_any_path_that_leads_to_it(written: WrittenManifest, dataset: Path) -> None:
    roundabout = dataset / ".." / dataset.name

    assert verify(written.manifest, roundabout).row_indices.tolist() == list(KEPT)


def test_a_dataset_that_has_changed_is_refused(written: WrittenManifest, dataset: Path) -> None:
    shard = dataset / "part-1.parquet"
    table = pq.read_table(shard)
    pq.write_table(table.set_column(0, "x", pa.array(np.full(5, 9, np.float32))), shard)

    with pytest.raises(ManifestMismatch, match="sha256"):
        verify(written.manifest, dataset)


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, dataset: Path, written: WrittenManifest) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not Parquet at all")

    for path in (text, dataset / "part-0.parquet", written.decisions, tmp_path / "missing.parquet"):
        with pytest.raises(ManifestMismatch):
            read_manifest(path)


def test_a_manifest_cut_short_is_refused(written: WrittenManifest) -> None:
    whole = written.manifest.read_bytes()
    written.manifest.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ManifestMismatch):
        read_manifest(written.manifest)


def test_rows_that_were_added_later_are_refused(written: WrittenManifest) -> None:
    table = read_manifest(written.manifest).table()
    altered = pa.concat_tables([table, table.slice(0, 1)])

    with pytest.raises(ManifestMismatch, match="announces"):
        read_manifest(rewritten(written.manifest, altered))


def test_a_manifest_of_an_earlier_version_says_nothing_of_what_that_did_not_know(written: WrittenManifest) -> None:
    facts = json.loads(pq.read_schema(written.manifest).metadata[METADATA_KEY])
    for later in ("split", "exclude", "header", "quoting", "colour", "background"):
        del facts["dataset"][later]
    del facts["warnings"], facts["proxy_accuracy"]
    table = read_manifest(written.manifest).table()

    manifest = read_manifest(rewritten(written.manifest, table, json.dumps(facts).encode()))

    assert manifest.row_indices.tolist() == list(KEPT)
    assert (manifest.metadata.warnings, manifest.metadata.proxy_accuracy) == ((), None)
    assert (manifest.metadata.dataset.split, manifest.metadata.dataset.background) == (None, None)


def test_a_dataset_is_found_by_its_file_uri(written: WrittenManifest, dataset: Path) -> None:
    beside = dataset.rename(dataset.with_name("data of today"))

    assert "%20" in beside.as_uri()
    assert verify(written.manifest, beside.as_uri()).row_indices.tolist() == list(KEPT)


def test_the_files_of_schema_version_1_are_read_and_verified(written: WrittenManifest, dataset: Path) -> None:
    version_1.as_version_1(written.manifest, version_1.MANIFEST)
    version_1.as_version_1(written.decisions, version_1.DECISIONS)

    manifest = verify(written.manifest, dataset)

    assert manifest.row_indices.tolist() == list(KEPT)
    assert manifest.table().schema.names == version_1.MANIFEST.names
    assert manifest.metadata.schema_version == 1
    assert read_metadata(written.decisions, DECISIONS_SCHEMA) == manifest.metadata


def test_columns_must_be_those_of_the_version_that_the_file_names(written: WrittenManifest) -> None:
    facts = pq.read_schema(written.manifest).metadata[METADATA_KEY]
    newer, older = read_manifest(written.manifest).table(), facts.replace(b'"schema_version":2', b'"schema_version":1')

    for table, metadata in ((newer, older), (newer.select(version_1.MANIFEST.names), facts)):
        with pytest.raises(ManifestMismatch, match="other columns"):
            read_manifest(rewritten(written.manifest, table, metadata))


def test_settings_and_warnings_come_back_with_the_manifest(tmp_path: Path, dataset: Path) -> None:
    origin = provenance(dataset)
    read_as = {"split": "train", "exclude": ["id"], "header": False, "quoting": True}
    seen_as = {"colour": True, "background": "black"}
    warnings = (JobWarning("a_code_of_later", None, "30 of 60 rows"), JobWarning("few_epochs", "proxy.epochs", "2"))
    facts = origin.model_copy(
        update={"dataset": origin.dataset.model_copy(update=read_as | seen_as), "warnings": warnings}
    )

    written = write_manifest(tmp_path / "out", decided(), provenance=facts)

    metadata = read_manifest(written.manifest).metadata
    assert (metadata.dataset, metadata.warnings) == (facts.dataset, warnings)


def test_a_manifest_of_pruned_rows_or_of_a_later_schema_is_refused(written: WrittenManifest) -> None:
    facts = pq.read_schema(written.manifest).metadata[METADATA_KEY]
    table = read_manifest(written.manifest).table()

    for altered in (
        facts.replace(b'"retained"', b'"pruned"'),
        facts.replace(b'"schema_version":2', b'"schema_version":3'),
    ):
        assert altered != facts
        with pytest.raises(ManifestMismatch, match="metadata"):
            read_manifest(rewritten(written.manifest, table, altered))
