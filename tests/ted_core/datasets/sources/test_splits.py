"""Files of several splits are no dataset: their names tell, and dataset.split chooses."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets import DatasetSummary, identify
from ted_core.datasets.sources.splits import SPLITS, by_split, is_split_folder, split_of
from ted_core.errors import DatasetUnreadable, SettingUnsuited, SplitsMixed, UnknownSplit
from tests.ted_core.datasets.files import inspected, lines, loaded, parquet, refused_on_sight, spec

# --- names ------------------------------------------------------------------------------------------------------------

TOLD = {
    "train": "train",
    "train.jsonl": "train",
    "train.jsonl.gz": "train",
    "train-000.tar": "train",
    "train-00000-of-00002.parquet": "train",
    "ag_news-train.arrow": "train",
    "ag_news-train-00000-of-00002.arrow": "train",
    "train_sft-00003-of-00010.parquet": "train_sft",
    "TRAIN.CSV": "TRAIN",
    "X_train.csv": "train",
    "trainset.csv": "trainset",
    "my.train.jsonl": "train",
    "adult.test": "test",
    "alps_dev.tsv": "dev",
    "twitter_validation.csv": "validation",
    "valid.jsonl": "valid",
    "val2017": "val",
    "eval_1.jsonl": "eval",
    "hold-out.csv": "holdout",
    "holdout.csv": "holdout",
    "t10k-images-idx3-ubyte.gz": "t10k",
    "dataTest.csv": "Test",
    "Testing": "Testing",
}
UNTOLD = ["part-0.csv", "latest.csv", "contest.jsonl", "trainer.csv", "adult.data", "constrain.csv", "validated.csv"]
UNTOLD += ["part-00000-of-00002.parquet", "evaluate.csv", "device.csv", "", "0", "développement.csv"]


@pytest.mark.parametrize(("name", "split"), TOLD.items())
def test_a_name_tells_a_split(name: str, split: str) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize("name", UNTOLD)
def test_other_names_tell_none(name: str) -> None:
    assert split_of(name) is None


@given(st.text(), st.sampled_from(sorted(SPLITS - {"t10k"})), st.text("-_. 0123456789"))
def test_a_split_at_the_end_of_a_name_is_told_whatever_comes_before(start: str, split: str, end: str) -> None:
    assert split_of(f"{start}-{split}{end}") is not None


@pytest.mark.parametrize("name", ["Training", "TEST", "Train_Set", "val2017", "test images", "Validation-Data"])
def test_a_folder_may_be_called_after_a_split_alone(name: str) -> None:
    assert is_split_folder(name)


@pytest.mark.parametrize("name", ["test tube", "train station", "seg_train", "images", "0", ""])
def test_a_folder_may_be_called_after_something_else_as_well(name: str) -> None:
    assert not is_split_folder(name)


def test_numbered_files_beside_those_of_a_split_are_a_split() -> None:
    names = ["train-00000-of-00001.parquet", "unsupervised-00000-of-00001.parquet", "notes.parquet"]

    assert list(by_split(names)) == ["train", "unsupervised", None]
    assert list(by_split(names[1:])) == [None]


# --- files ------------------------------------------------------------------------------------------------------------

SETS = {
    "hub": ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001", "validation-00000-of-00001"),
    "cache": ("ag_news-train-00000-of-00002", "ag_news-train-00001-of-00002", "ag_news-test"),
    "several": ("train_sft-00000-of-00001", "train_gen-00000-of-00001", "test_sft-00000-of-00001"),
    "plain": ("train", "dev", "test"),
    "capitals": ("Train", "TEST"),
    "parts": ("train-1", "train-2", "holdout-1"),
    "imdb": ("train-00000-of-00001", "unsupervised-00000-of-00001"),
}


def folder_of(tmp_path: Path, names: Sequence[str]) -> Path:
    """Each file has as many rows as its place in the list."""
    (folder := tmp_path / "data").mkdir()
    for rows, name in enumerate(names, start=1):
        parquet(folder / f"{name}.parquet", x=[float(row) for row in range(rows)], label=[0] * rows)
    return folder


@pytest.mark.parametrize("pattern", [None, "*", "*.parquet"])
@pytest.mark.parametrize("names", SETS.values(), ids=list(SETS))
def test_files_of_several_splits_are_refused_with_their_names(
    tmp_path: Path, names: Sequence[str], pattern: str | None
) -> None:
    folder = folder_of(tmp_path, names)

    error = refused_on_sight(SplitsMixed, folder / pattern if pattern else folder)

    assert error.field == "dataset.uri"
    assert all(split in error.fact for split in filter(None, map(split_of, names)))
    assert "set dataset.split to " in error.fact


def rows_and_files(summary: DatasetSummary) -> tuple[int | None, tuple[str, ...]]:
    return summary.rows, summary.understood.files if summary.understood else ()


def test_a_split_is_chosen_by_its_name_in_any_case(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, SETS["hub"])

    for split in ("train", "TRAIN", "training"):
        found = inspected(folder, split=split)
        assert rows_and_files(found) == (3, tuple(f"{name}.parquet" for name in SETS["hub"][:2]))
        assert found.understood.passed_over_count == 2
        assert found.warnings == ()
    assert inspected(folder, split="validation").rows == inspected(folder / "*", split="val").rows == 4
    assert inspected(folder / "train-*").rows == 3


def test_the_pattern_that_the_refusal_names_is_the_split(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, SETS["hub"])

    error = refused_on_sight(SplitsMixed, folder)

    assert error.fact.endswith("set dataset.split to train, or dataset.uri to …/train-*")
    assert inspected(folder / "train-*").rows == inspected(folder, split="train").rows


@pytest.mark.parametrize("split", ["train_sft", "TRAIN_GEN", "test_sft"])
def test_splits_that_share_a_word_are_several(tmp_path: Path, split: str) -> None:
    folder = folder_of(tmp_path, SETS["several"])

    assert inspected(folder, split=split).understood.file_count == 1
    assert "train_gen (1), train_sft (1)" in refused_on_sight(SplitsMixed, folder, split="train").fact


def test_a_split_may_have_a_name_of_ones_own(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("fold_1", "fold_10", "fold_2"))

    assert inspected(folder).rows == 6
    assert inspected(folder, split="fold_1").rows == 1
    assert inspected(folder, split="Fold_10").rows == 2
    assert "no split 'old_1'" in refused_on_sight(UnknownSplit, folder, split="old_1").fact


def test_an_unknown_split_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    error = refused_on_sight(UnknownSplit, folder_of(tmp_path, SETS["plain"]), split="holdout")

    assert error.field == "dataset.split"
    assert error.fact.endswith("holds no split 'holdout', only dev, test, train")


def test_a_split_of_a_single_file_is_unsuited_unless_its_name_tells_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("train", "rows"))

    assert inspected(folder / "train.parquet", split="train").rows == 1
    for name in ("train", "rows"):
        error = refused_on_sight(SettingUnsuited, folder / f"{name}.parquet", split="test")
        assert error.field == "dataset.split"


@pytest.mark.parametrize("name", ["test", "eval_rows", "validation-00000-of-00001"])
def test_a_file_to_evaluate_on_beside_files_that_tell_nothing_is_warned_about(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path, ("rows-1", "rows-2", name))

    (warning,) = inspected(folder).warnings

    assert (warning.code, warning.field) == ("split_among_files", "dataset.uri")
    assert f"{name}.parquet is read as one dataset with rows-1.parquet" in warning.message
    assert loaded_warnings(folder) == (warning,)


def loaded_warnings(folder: Path) -> tuple[object, ...]:
    parquet(folder / "rows-1.parquet", x=[0.0, 1.0], label=[0, 1])
    return loaded(folder).warnings


def test_training_files_beside_files_that_tell_nothing_are_not(tmp_path: Path) -> None:
    assert inspected(folder_of(tmp_path, ("train-1", "more"))).warnings == ()


def test_the_split_is_part_of_what_is_identified(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, SETS["plain"])

    found = {split: identify(spec(folder, split=split), roots=[tmp_path]) for split in SETS["plain"]}

    assert [found[split].rows for split in SETS["plain"]] == [1, 2, 3]
    assert len({identity.fingerprint for identity in found.values()}) == 3
    assert [shard.name for shard in found["dev"].shards] == ["dev.parquet"]


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder for each split, and one of notes."""
    for rows, name in enumerate(("Train", "test", "notes"), start=1):
        (tmp_path / "data" / name).mkdir(parents=True)
        if name != "notes":
            parquet(tmp_path / "data" / name / "0.parquet", x=[0.0] * rows, label=[0] * rows)
    return tmp_path / "data"


def test_folders_of_several_splits_are_refused_with_their_names(folders: Path) -> None:
    error = refused_on_sight(SplitsMixed, folders)

    assert "holds folders of Train (1), test (1); set dataset.split to Train" in error.fact


def test_the_folder_of_a_split_is_read(folders: Path) -> None:
    assert inspected(folders, split="train").rows == 1
    assert inspected(folders, split="Test").rows == 2
    error = refused_on_sight(UnknownSplit, folders, split="dev")
    assert error.fact.endswith("no split 'dev', only Train, test")


def test_the_folder_of_a_split_is_read_beside_other_files(folders: Path) -> None:
    parquet(folders / "statistics.parquet", x=[0.0], label=[0])

    assert inspected(folders, split="train").understood.files == ("0.parquet",)


def test_a_folder_that_only_holds_a_folder_of_files_is_refused_with_its_name(folders: Path) -> None:
    (folders / "test" / "0.parquet").unlink()

    assert refused_on_sight(DatasetUnreadable, folders).fact.endswith(
        "holds no *.parquet file, but Train does: name it"
    )


def test_a_link_is_no_folder_of_a_split(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = parquet(tmp_path_factory.mktemp("outside") / "0.parquet", x=[0.0], label=[0])
    (folders / "dev").symlink_to(outside.parent, target_is_directory=True)

    refused_on_sight(UnknownSplit, folders, split="dev")


def test_text_in_folders_is_told_apart_alike(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        (tmp_path / name).mkdir()
        lines(tmp_path / name / "rows.csv", "x,label", "1,0")

    refused_on_sight(SplitsMixed, tmp_path)
    assert inspected(tmp_path, split="dev").rows == 1
