"""A warning says what is at hand and what to do; several become one list, or one refusal."""

import json
from dataclasses import asdict

import pytest

from ted_core.errors import LONGEST_FACT, WarningsRefused
from ted_core.warnings import JobWarning, WarningCode, distinct, refuse_warnings, updated

KEYS = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 30 values in 60 rows", field="dataset.input")
FILES = JobWarning.of(WarningCode.FILES_PASSED_OVER, "notes.txt is not read", field="dataset.uri")
OF_NO_FIELD = JobWarning("from_tomorrow", None, "Nobody knows yet.")


def test_a_warning_is_the_fact_and_the_remedy_of_its_code() -> None:
    assert KEYS.code == "keys_not_unique"
    assert KEYS.message == f"'id' holds 30 values in 60 rows. {WarningCode.KEYS_NOT_UNIQUE.remedy}"


@pytest.mark.parametrize("code", WarningCode)
def test_every_code_has_a_remedy_that_is_a_sentence(code: WarningCode) -> None:
    assert code.value == code.name.lower()
    assert code.remedy.endswith(".")
    assert code.remedy[0].isupper()


def test_a_fact_of_any_length_and_any_bytes_can_be_sent() -> None:
    warning = JobWarning.of(WarningCode.FILES_PASSED_OVER, "caf\udce9" + "x" * 5_000_000, field="dataset.uri")

    assert len(warning.message) < LONGEST_FACT + len(WarningCode.FILES_PASSED_OVER.remedy) + 10
    assert warning.message.startswith("caf\\udce9x")
    assert json.loads(json.dumps(asdict(warning)).encode())["message"] == warning.message


def test_what_a_later_version_has_stored_is_read_without_what_it_added() -> None:
    document = {"code": "from_tomorrow", "message": "Nobody knows yet.", "severity": 3}

    assert JobWarning.from_json(document) == OF_NO_FIELD


def test_distinct_warnings_keep_their_order() -> None:
    assert distinct([FILES, KEYS], [KEYS, OF_NO_FIELD], [FILES]) == (FILES, KEYS, OF_NO_FIELD)


def test_a_later_look_replaces_what_an_earlier_one_said_in_other_words() -> None:
    precise = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 31 values in 62 rows", field="dataset.input")
    elsewhere = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 31 values in 62 rows", field="dataset.uri")

    assert updated([KEYS, FILES], [precise]) == (FILES, precise)
    assert updated([KEYS, FILES], [elsewhere]) == (KEYS, FILES, elsewhere)
    assert updated([KEYS, FILES], []) == (KEYS, FILES)
    assert updated([KEYS, FILES], [KEYS]) == (FILES, KEYS)


def test_no_warnings_are_refused_by_nobody() -> None:
    refuse_warnings([])


def test_a_refusal_names_every_warning_and_the_field_of_the_first() -> None:
    with pytest.raises(WarningsRefused) as refusal:
        refuse_warnings([KEYS, FILES, OF_NO_FIELD])

    error = refusal.value
    assert error.code() == "warnings_refused"
    assert not error.retryable
    assert error.field == "dataset.input"
    assert all(f"{one.code}: {one.message.removesuffix('.')}" in str(error) for one in (KEYS, FILES, OF_NO_FIELD))
    assert [*error.causes] == [(one.field, one.message) for one in (KEYS, FILES, OF_NO_FIELD)]
