"""Keys: what their texts tell, what is stored of them, and what a limit of theirs holds back, on both databases."""

import re
import stat
import string
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Engine, select, update

from ted_jobs.api_keys import text as key_text
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKey, ApiKeyStore, NewApiKey, Scope
from ted_jobs.db.engine import make_engine, now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.db.tables import keys as table
from ted_jobs.errors import KeyNotFound, TooManyQueued
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import IdempotencyKey, JobStore
from ted_jobs.queue.outbox import publish_batch
from ted_jobs.settings import Settings
from tests.ted_jobs.conftest import SPEC, SUMMARY

SECRET = b"the installation's own"


@pytest.fixture
def keys(engine: Engine) -> ApiKeyStore:
    return ApiKeyStore(engine, secret=SECRET)


def submitted(store: JobStore, key: ApiKey | None, *, repeat: str | None = None) -> str:
    named = IdempotencyKey(repeat, "digest") if repeat else None
    tenant, key_id = (key.tenant, key.id) if key else ("default", None)
    return store.submit(SPEC, SUMMARY, tenant=tenant, key_id=key_id, idempotency_key=named).job.id


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_well_formed_and_has_enough_random_bits() -> None:
    texts = {key_text.new_key_text() for _ in range(1000)}

    assert len(texts) == 1000
    assert all(re.fullmatch("ted_[0-9A-Za-z]{36}", text) and key_text.is_well_formed_key(text) for text in texts)
    assert len(key_text.ALPHABET) ** key_text.RANDOM_LETTERS > 2**160


@given(place=some.integers(4, 39), letter=some.sampled_from(string.digits + string.ascii_letters))
def test_the_checksum_detects_every_single_wrong_letter(place: int, letter: str) -> None:
    text = key_text.new_key_text()

    typo = text[:place] + letter + text[place + 1 :]

    assert key_text.is_well_formed_key(typo) == (typo == text)


@given(some.text(max_size=60))
def test_other_texts_are_not_well_formed_keys(text: str) -> None:
    assert not key_text.is_well_formed_key(text)


def test_the_secret_is_created_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")

    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: key_secret(settings), range(8)))

    assert len(secrets) == 1
    assert len(secrets.pop()) == 64
    assert [path.name for path in settings.home.iterdir()] == ["key.secret"]
    assert stat.S_IMODE((settings.home / "key.secret").stat().st_mode) == 0o600
    chosen = "sixteen letters and more"
    assert key_secret(Settings(home=tmp_path / "other", key_secret=chosen)) == chosen.encode()


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_a_key_is_found_by_its_text_of_which_only_a_keyed_hash_is_stored(keys: ApiKeyStore, engine: Engine) -> None:
    key, text = keys.create(NewApiKey(tenant="vision", name="laptop", scopes=[Scope.READ], most_queued=3))

    valid_key = keys.valid_key(keys.digest(text))

    assert valid_key and valid_key.key == key
    assert (key.tenant, key.name, key.scopes, key.most_queued) == ("vision", "laptop", {Scope.READ}, 3)
    with read_transaction(engine) as connection:
        (row,) = connection.execute(select(table)).all()
    assert text not in str(row) and text[4:-6] not in str(row)
    assert ApiKeyStore(engine, secret=b"another").valid_key(key_text.key_digest(text, b"another")) is None


def test_a_scope_implies_those_below_it(keys: ApiKeyStore) -> None:
    granted = {scope: keys.create(NewApiKey(scopes=[scope]))[0] for scope in Scope}

    allowed = {scope: [other for other in Scope if key.has_scope(other)] for scope, key in granted.items()}

    assert allowed[Scope.READ] == [Scope.READ]
    assert allowed[Scope.SUBMIT] == [Scope.READ, Scope.SUBMIT]
    assert allowed[Scope.ADMIN] == list(Scope)


def test_scopes_of_a_newer_version_grant_nothing_here(keys: ApiKeyStore, engine: Engine) -> None:
    key, text = keys.create(NewApiKey(scopes=[Scope.READ]))
    with write_transaction(engine) as connection:
        connection.execute(update(table).values(scopes=["read", "fly"]))

    valid_key = keys.valid_key(keys.digest(text))

    assert valid_key and valid_key.key.scopes == key.scopes


def test_a_revoked_key_is_invalid_and_stays_listed(keys: ApiKeyStore) -> None:
    key, text = keys.create(NewApiKey())

    revoked = keys.revoke(key.id)

    assert keys.valid_key(keys.digest(text)) is None
    assert revoked.revoked_at is not None
    assert keys.revoke(key.id) == revoked
    assert keys.all() == [revoked]
    with pytest.raises(KeyNotFound):
        keys.revoke("key_nobodys")


def test_an_expired_key_is_invalid(keys: ApiKeyStore, engine: Engine) -> None:
    _, text = keys.create(NewApiKey(expires_days=1))
    assert keys.valid_key(keys.digest(text))

    with write_transaction(engine) as connection:
        connection.execute(update(table).values(expires_at=now(-1)))

    assert keys.valid_key(keys.digest(text)) is None


def test_the_use_of_a_key_is_recorded_at_most_once_a_minute(keys: ApiKeyStore, engine: Engine) -> None:
    key, text = keys.create(NewApiKey())
    digest = keys.digest(text)

    def unnoted() -> bool:
        valid_key = keys.valid_key(digest)
        assert valid_key
        return valid_key.use_unrecorded

    assert unnoted()
    keys.record_use(key.id)
    (noted,) = keys.all()
    assert not unnoted()
    keys.record_use(key.id)
    assert keys.all() == [noted]
    with write_transaction(engine) as connection:
        connection.execute(update(table).values(last_used_at=now(-61)))
    assert unnoted()


# --- how many may wait ------------------------------------------------------------------------------------------------


def test_twenty_concurrent_submissions_cannot_exceed_the_limit(keys: ApiKeyStore, engine: Engine) -> None:
    key, _ = keys.create(NewApiKey(most_queued=5))
    other, _ = keys.create(NewApiKey())
    store = JobStore(engine)

    def submit(_: int) -> bool:
        try:
            return bool(submitted(store, key))
        except TooManyQueued:
            return False

    with ThreadPoolExecutor(20) as pool:
        taken = list(pool.map(submit, range(20)))

    assert sum(taken) == 5
    assert submitted(store, other) and submitted(store, None)


def test_keys_without_a_limit_of_their_own_have_that_of_the_settings(keys: ApiKeyStore, engine: Engine) -> None:
    store = JobStore(engine, most_queued=1)
    plain, free = keys.create(NewApiKey())[0], keys.create(NewApiKey(most_queued=0))[0]

    submitted(store, plain)

    with pytest.raises(TooManyQueued, match="The limit is 1"):
        submitted(store, plain)
    for _ in range(3):
        submitted(store, free)


def test_a_replay_is_never_refused_by_the_limit_even_if_the_submission_is_still_in_flight(
    keys: ApiKeyStore, engine: Engine
) -> None:
    key, _ = keys.create(NewApiKey(most_queued=1))
    store = JobStore(engine)

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: submitted(store, key, repeat="once"), range(16)))

    assert len(ids) == 1
    with pytest.raises(TooManyQueued):
        submitted(store, key)


def test_a_job_that_has_started_no_longer_counts_as_queued(keys: ApiKeyStore, engine: Engine) -> None:
    key, _ = keys.create(NewApiKey(most_queued=1))
    store = JobStore(engine)
    submitted(store, key)

    assert Leases(engine).claim_next(worker="w")

    assert submitted(store, key)


# --- how many may run -------------------------------------------------------------------------------------------------


def test_jobs_of_a_key_at_its_limit_are_skipped_until_one_has_ended(
    keys: ApiKeyStore, store: JobStore, leases: Leases
) -> None:
    busy, other = keys.create(NewApiKey(most_running=1))[0], keys.create(NewApiKey(tenant="other", most_running=1))[0]
    first, second = submitted(store, busy), submitted(store, busy)
    theirs = submitted(store, other)

    running = leases.claim_next(worker="w")
    assert running and running.job.id == first
    assert leases.claim(second, worker="v") is None
    passed = leases.claim_next(worker="v")
    assert passed and passed.job.id == theirs
    assert leases.claim_next(worker="u") is None
    leases.begin_finalizing(running)
    leases.finish(running, published=[], result={})

    then = leases.claim_next(worker="w")
    assert then and then.job.id == second


def test_concurrent_claims_never_exceed_the_limit(keys: ApiKeyStore, store: JobStore, engine: Engine) -> None:
    key, _ = keys.create(NewApiKey(most_running=2))
    ids = [submitted(store, key) for _ in range(12)]
    url = engine.url.render_as_string(hide_password=False)

    def claim(job_id: str) -> bool:
        own = make_engine(url)
        won = Leases(own).claim(job_id, worker=job_id)
        own.dispose()
        return won is not None

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(claim, ids))

    assert sum(won) == 2


def test_jobs_without_a_key_or_a_limit_run_in_order(keys: ApiKeyStore, store: JobStore, engine: Engine) -> None:
    free, _ = keys.create(NewApiKey(most_running=0))
    ids = [submitted(store, key) for key in (free, free, None, None)]
    strict = Leases(engine, most_running=1)

    claims = [strict.claim_next(worker="w") for _ in ids]

    assert [claim and claim.job.id for claim in claims] == ids


def test_no_wake_up_is_sent_for_a_job_whose_key_is_at_its_limit(
    keys: ApiKeyStore, store: JobStore, engine: Engine
) -> None:
    key, _ = keys.create(NewApiKey(most_running=1))
    submitted(store, key)
    waiting = submitted(store, key)
    leases = Leases(engine)
    running = leases.claim_next(worker="w")
    assert running
    publish_batch(engine, lambda _: None)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(queued_at=now(-60), ring_at=now(-1)))

    while_full = (maintenance.renotify_idle(engine, queued_wake_ups=lambda: 0), maintenance.renotify_overdue(engine))
    leases.release(running)
    claimed = leases.claim(waiting, worker="w")

    assert while_full == (0, 0)
    assert claimed
    leases.begin_finalizing(claimed)
    leases.finish(claimed, published=[], result={})
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(queued_at=now(-60)))
    publish_batch(engine, lambda _: None)
    assert maintenance.renotify_idle(engine, queued_wake_ups=lambda: 0) == 1
