"""What was accepted, but may not be what was meant: stable codes, each with what to do about it. Torch-free.

A warning is a fact at hand ("'id' holds 30 different values in 60 rows"), the request's field that decides about it,
and the remedy that is the same for all warnings of its code. With ``strict`` any of them is a refusal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from ted_core.errors import WarningsRefused, shortened


class WarningCode(StrEnum):
    """The stable name of a kind of warning. ``remedy`` says what to do; docs/api.md lists both."""

    remedy: str

    def __new__(cls, code: str, remedy: str) -> "WarningCode":
        """Return the member, whose value is the code alone."""
        member = str.__new__(cls, code)
        member._value_, member.remedy = code, remedy
        return member

    # --- the dataset ----------------------------------------------------------------------------------------------

    FILES_PASSED_OVER = (
        "files_passed_over",
        "Rename or convert them if they belong to the dataset; name a pattern or a folder without them if they do not.",
    )
    SPLIT_AMONG_FILES = (
        "split_among_files",
        "Name a pattern or a folder without it if its rows are to evaluate on.",
    )
    COLUMNS_LEFT_OUT = (
        "columns_left_out",
        "Name them in dataset.input if the model is to see them, or in dataset.exclude if it is not.",
    )
    INPUT_COUNTS_ROWS = (
        "input_counts_rows",
        "It is seen because no other input was found; name others in dataset.input, or write the columns that decide.",
    )
    TURN_FIELDS_LEFT_OUT = (
        "turn_fields_left_out",
        "Write what they hold into the turns' texts if the model is to see it, or drop them.",
    )
    CLASSES_NEARLY_UNIQUE = (
        "classes_nearly_unique",
        "Check that the target is a class, not an id, a text or a measured number.",
    )
    CLASSES_ALIKE = (
        "classes_alike",
        "Write a class in one way if these are one; give them names that differ in more if they are not.",
    )
    LABEL_MAY_BE_MISSING = (
        "label_may_be_missing",
        "Drop those rows if they have no class; if it is a class, give it a name that says which.",
    )
    ONE_CLASS_EACH = (
        "one_class_each",
        "Give each row its class itself, not lists or columns of 0 and 1, if no row can ever have several.",
    )
    VALUES_READ_AS_WORDS = (
        "values_read_as_words",
        "Each spelling is a category of its own; write plain numbers, with a point and without separators, units or "
        "placeholders, if their size matters.",
    )
    TEXTS_EMPTY = (
        "texts_empty",
        "Drop these rows if their texts were lost.",
    )
    IMAGES_UNDECODABLE = (
        "images_undecodable",
        "They are pruned, and more than a few of them end the job; write them again, or leave their rows out.",
    )
    ANSWERS_EMPTY = (
        "answers_empty",
        "A model trained on them learns to end its turn at once; drop these rows unless that is meant.",
    )
    KEYS_NOT_UNIQUE = (
        "keys_not_unique",
        "The manifest's sample_key stays empty; write a column of distinct ids, or list it in dataset.exclude.",
    )
    HEADER_LOOKS_LIKE_DATA = (
        "header_looks_like_data",
        "Set dataset.header to false if it is a row and names no columns, to true if it does.",
    )
    FIRST_ROW_LOOKS_LIKE_NAMES = (
        "first_row_looks_like_names",
        "Leave dataset.header out if it names the columns.",
    )
    QUOTATION_MARKS_KEPT = (
        "quotation_marks_kept",
        "Set dataset.quoting to true if the marks belong to the notation, to false if they belong to the values.",
    )
    QUOTATION_MARKS_ESCAPED = (
        "quotation_marks_escaped",
        "Write a quotation mark within a value twice: a backslash before it does not keep it from closing the value.",
    )
    ROWS_MAY_BE_SWALLOWED = (
        "rows_may_be_swallowed",
        "Set dataset.quoting to true if that is one value, to false if quotation marks are letters like others.",
    )
    TYPES_DIFFER = (
        "types_differ",
        "It is read as words; write it the same way in all files if it holds numbers.",
    )
    NEGATIVE_LABEL = (
        "negative_label",
        "If it stands for a missing label, drop those rows; if it is a class, give it a name or a number from 0.",
    )
    IMAGES_EQUAL = (
        "images_equal",
        "Look at some of them: placeholders, empty pictures, or drawings that dataset.background hides.",
    )
    IMAGES_TRANSPARENT = (
        "images_transparent",
        "Set dataset.background to the ground that they are meant for.",
    )
    IMAGE_SIZES_DIFFER = (
        "image_sizes_differ",
        "Set dataset.image_size, or bring the images to one size where their proportions matter.",
    )
    IMAGE_FRAMES_LEFT_OUT = (
        "image_frames_left_out",
        "Write the frames that matter as images of their own.",
    )

    # --- the proxy and its training --------------------------------------------------------------------------------

    FEW_EPOCHS = (
        "few_epochs",
        "Raise proxy.epochs, or leave it out: a proxy that has hardly learned cannot tell hard rows from redundant.",
    )
    UNUSUAL_LEARNING_RATE = (
        "unusual_learning_rate",
        "Leave proxy.learning_rate out unless you have tried this one: training may diverge, or not begin.",
    )
    LARGE_BATCHES = (
        "large_batches",
        "Lower proxy.batch_size, or raise proxy.epochs: a proxy learns little in so few steps.",
    )

    # --- the selection ---------------------------------------------------------------------------------------------

    PROXY_HAS_NOT_LEARNED = (
        "proxy_has_not_learned",
        "Scores and ranks say little about single rows, and reasons that would rest on them are unknown; raise "
        "proxy.epochs, leave proxy.learning_rate out, choose another proxy, or check that inputs and labels belong "
        "together.",
    )
    CLASS_SHARES_CHANGED = (
        "class_shares_changed",
        "A model trained on these rows sees the classes in other proportions; if it must not, set plan.class_balance "
        "to keep.",
    )
    NOTHING_PRUNED = (
        "nothing_pruned",
        "Train on all rows; to keep fewer, raise plan.tolerance, or set plan.keep_ratio to a number.",
    )
    CLASS_LOST = (
        "class_lost",
        "A model trained on these rows cannot learn it; raise plan.class_floor or plan.keep_ratio.",
    )


@dataclass(frozen=True)
class JobWarning:
    """Something that was accepted, but may not be what was meant."""

    code: Annotated[
        str,
        Field(
            description="Stable; docs/api.md lists those that this version knows, and later ones may know more.",
            examples=["keys_not_unique"],
        ),
    ]
    field: Annotated[
        str | None,
        Field(description="The request's field that decides about it; null if none does.", examples=["dataset.input"]),
    ]
    message: Annotated[str, Field(description="The fact at hand, and what to do about it.")]

    @classmethod
    def of(cls, code: WarningCode, fact: str, *, field: str | None = None) -> "JobWarning":
        """Return the warning with the fact at hand, without a full stop, followed by the code's remedy."""
        return cls(code.value, field, f"{shortened(encodable(fact))}. {code.remedy}")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "JobWarning":
        """Return the stored warning; what a later version has added to it is left out."""
        return cls(document["code"], document.get("field"), document["message"])


def encodable(text: str) -> str:
    """Return the text with what no UTF-8 can hold spelled out: the names of files may be any bytes."""
    return text.encode(errors="backslashreplace").decode()


def distinct(*warnings: Iterable[JobWarning]) -> tuple[JobWarning, ...]:
    """Return the warnings of all these in order, each once."""
    return tuple(dict.fromkeys(warning for several in warnings for warning in several))


def updated(earlier: Iterable[JobWarning], later: Iterable[JobWarning]) -> tuple[JobWarning, ...]:
    """Return all warnings, the earlier ones first, but for those that a later look found again, in other words or not.

    A job is submitted after a short look at its dataset, and what the worker reads may make the fact more precise.
    """
    later = distinct(later)
    found_again = {(warning.code, warning.field) for warning in later}
    return distinct((old for old in earlier if (old.code, old.field) not in found_again), later)


def refuse_warnings(warnings: Sequence[JobWarning]) -> None:
    """Raise WarningsRefused, which names all of them, if there are any: what ``strict`` asks for."""
    if warnings:
        facts = " ".join(f"{warning.code}: {warning.message}" for warning in warnings)
        causes = [(warning.field, warning.message) for warning in warnings]
        raise WarningsRefused(facts.removesuffix("."), field=warnings[0].field, causes=causes)
