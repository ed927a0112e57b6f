"""Which split a file or folder belongs to, by its name: train-00000-of-00002.parquet, dev.jsonl, Testing/."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, pairwise

from ted_core.datasets.sources.base import Source, uncompressed_name
from ted_core.errors import SplitsMixed, UnknownSplit

FIELD = "dataset.split"
TRAINING = frozenset({"train", "training", "trainset", "trainingset", "traindata", "trainingdata"})
TEST = frozenset({"test", "testing", "testset", "testingset", "testdata", "t10k"})
VALIDATION = frozenset(
    {"val", "valid", "validation", "valset", "validset", "validationset", "valdata", "dev", "devel", "development"}
    | {"devset", "devdata"}
)
EVALUATION, HOLDOUT = frozenset({"eval", "evaluation", "evalset", "evaldata"}), frozenset({"holdout", "heldout"})
SYNONYMS = (TRAINING, TEST, VALIDATION, EVALUATION, HOLDOUT)
"""What splits are called, in lower case, whatever stands beside it: X_train, train2017, alps_dev."""
HELD_OUT = TEST | VALIDATION | EVALUATION | HOLDOUT
SPLITS = TRAINING | HELD_OUT
FILLERS = frozenset({"set", "data", "dataset", "images", "image", "imgs", "img", "split"})
"""Words that make a split of a folder's name no less: Train_Set, test images."""
SHOWN = 10


def split_of(name: str) -> str | None:
    """Return the split that the name of a file or folder tells, as it is spelled there; None if it tells none.

    >>> [split_of(name) for name in ("ag_news-train-00000-of-00002.arrow", "alps_dev.tsv", "TestSet", "part-7.csv")]
    ['train', 'dev', 'TestSet', None]
    >>> split_of("train_sft-00000-of-00003.parquet")
    'train_sft'
    """
    shards = _shards_of(name)
    if shards is None:
        return next((word for word in reversed(_words(name)) if word.lower() in SPLITS), None)
    return shards if any(word.lower() in SPLITS for word in _words(shards)) else None


def is_split_folder(name: str) -> bool:
    """Return whether the folder's name is that of a split and nothing else: TRAIN, Train_Set, val2017."""
    words = [word.lower() for word in _words(name)]
    return any(word in SPLITS for word in words) and all(word in SPLITS | FILLERS for word in words)


def by_split(names: Iterable[str]) -> dict[str | None, list[str]]:
    """Return the names of each split, which is spelled as in the first of them; None holds those that tell none.

    Beside the files of known splits, numbered ones of another name, as in unsupervised-00000-of-00001, are a split.
    """
    names = list(names)
    found = {name: split_of(name) for name in names}
    if any(found.values()):
        found = {name: split or _shards_of(name) for name, split in found.items()}
    spelled: dict[str | None, str | None] = {None: None}
    groups: dict[str | None, list[str]] = {}
    for name, split in found.items():
        groups.setdefault(spelled.setdefault(split and split.lower(), split), []).append(name)
    return groups


def of_split(files: Sequence[Source], split: str | None, *, where: object) -> list[Source]:
    """Return the files of the split; all of them if no split is asked for and they are not of several.

    Raises SplitsMixed, UnknownSplit.
    """
    groups = by_split(file.name for file in files)
    chosen = set(_names_of(groups, split)) if split else {file.name for file in files}
    if not chosen:
        raise unknown_split(split or "", [name for name in groups if name], where=where)
    found = [file for file in files if file.name in chosen]
    refuse_several(by_split(file.name for file in found), where=where)
    return found


def chosen_split(splits: Iterable[str | None], wanted: str) -> str | None:
    """Return the split that is called so, in any case, or else the only one of another spelling; None if there is none.

    >>> chosen_split(["Training", "Testing"], "train")
    'Training'
    """
    there = [split for split in splits if split]
    same = [split for split in there if split.lower() == wanted.lower()]
    synonyms = next((words for words in SYNONYMS if wanted.lower() in words), frozenset())
    alike = [split for split in there if split.lower() in synonyms]
    return next(iter(same), alike[0] if len(alike) == 1 else None)


def _names_of(groups: Mapping[str | None, Sequence[str]], wanted: str) -> Sequence[str]:
    """The names of this split or, if no split is called so, those that hold its words: fold_1, dev_matched."""
    if split := chosen_split(groups, wanted):
        return groups[split]
    names = (name for members in groups.values() for name in members)
    return [name for name in names if _holds(_stem(name.lower()), wanted.lower())]


def _holds(stem: str, wanted: str) -> bool:
    """Whether the name holds the words between its beginning, its end, and what is neither letter nor digit."""
    start = stem.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not stem[max(start - 1, 0) : start].isalnum() and not stem[end : end + 1].isalnum():
            return True
        start = stem.find(wanted, start + 1)
    return False


def refuse_several(groups: Mapping[str | None, Sequence[str]], *, where: object, kind: str = "files") -> None:
    """Raise SplitsMixed, which names the splits and how to choose one, if there are several."""
    splits = {split: names for split, names in groups.items() if split}
    if len(splits) > 1:
        raise SplitsMixed(
            f"{where} holds {kind} of {_counted(splits)}; {_choices(splits, groups)}", field="dataset.uri"
        )


def _counted(splits: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{split} ({len(names):,})" for split, names in islice(splits.items(), SHOWN))


def _choices(splits: Mapping[str, Sequence[str]], groups: Mapping[str | None, Sequence[str]]) -> str:
    """How one of them, rather that to train on, is named: by the field and, if one describes just it, by a pattern."""
    first = next((split for split in splits if split.lower() in TRAINING), next(iter(splits)))
    start = _common_start(splits[first])
    others = [name for split, names in groups.items() if split != first for name in names]
    pattern = start if len(splits[first]) == 1 else f"{start}*"
    named = "" if not start or any(name.startswith(start) for name in others) else f", or dataset.uri to …/{pattern}"
    return f"set dataset.split to {first}{named}"


def _common_start(names: Sequence[str]) -> str:
    """What all names begin with, up to the numbers in which they differ."""
    first, last = min(names), max(names)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length].rstrip("0123456789") if len(names) > 1 else first


def unknown_split(split: str, there: Sequence[str], *, where: object) -> UnknownSplit:
    """Return the error that what lies there tells no such split."""
    others = f"only {', '.join(there[:SHOWN])}" if there else "and no other that a name tells"
    return UnknownSplit(f"{where} holds no split {split!r}, {others}", field=FIELD)


# --- names as words ---------------------------------------------------------------------------------------------------


def _stem(name: str) -> str:
    """The name without what says how the file is written."""
    name = uncompressed_name(name)
    return name.rpartition(".")[0] or name


def _shards_of(name: str) -> str | None:
    """What Hugging Face calls a number of files together: train for name-train-00000-of-00002.arrow.

    None if the name does not end so.
    """
    base, _, last = name.rpartition("-of-")
    head, _, number = base.rpartition("-")
    if not (head and number.isdecimal() and last.partition(".")[0].isdecimal()):
        return None
    return head.rpartition("-")[2] or None


def _words(text: str) -> list[str]:
    """Runs of letters, of which an upper-case one after a lower-case one begins another; and t10k.

    Two that make the name of a split together, as hold and out do, are one word.
    """
    words = [word for run in _split_at(text, str.isalnum) for word in _words_in(run)]
    pairs = (f"{left}{right}" for left, right in pairwise(words))
    return [*words, *(pair for pair in pairs if pair.lower() in {"holdout", "heldout"})]


def _words_in(run: str) -> list[str]:
    if run.lower() in SPLITS:
        return [run]
    spaced = "".join(
        f" {letter}" if letter.isupper() and before.islower() else letter
        for before, letter in zip(f" {run}", run, strict=False)
    )
    return _split_at(spaced, str.isalpha)


def _split_at(text: str, keeps: Callable[[str], bool]) -> list[str]:
    return "".join(letter if keeps(letter) else " " for letter in text).split()
