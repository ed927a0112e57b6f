"""Errors say what is wrong and what to do, in a length that somebody can read."""

from ted_core.errors import LONGEST_FACT, DatasetUnreadable


def test_what_a_file_says_at_length_is_shortened_and_the_remedy_is_not() -> None:
    error = DatasetUnreadable("a" * 5_000_000 + "the end", field="dataset.uri")

    assert LONGEST_FACT < len(error.fact) < LONGEST_FACT + 10
    assert error.fact.endswith("the end")
    assert str(error) == f"{error.fact}. {DatasetUnreadable.remedy()}"


def test_an_ordinary_fact_is_kept_as_it_is() -> None:
    assert DatasetUnreadable("Line 3 is none").fact == "Line 3 is none"
