"""Deliveries to webhooks, and what owners may do with their webhooks, on both databases."""

import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, insert, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import deliveries, jobs, webhooks
from ted_jobs.errors import DeliveryNotFound, TooManyWebhooks, UnknownCursor, WebhookDisabled, WebhookNotFound
from ted_jobs.jobs import maintenance, retention
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import JobError
from ted_jobs.jobs.store import JobStore
from ted_jobs.metrics_snapshot import metrics_snapshot
from ted_jobs.webhooks import deliveries as due
from ted_jobs.webhooks import store as registry
from ted_jobs.webhooks.deliveries import ClaimedDelivery, Outcome
from ted_jobs.webhooks.store import Delivery, Webhook, WebhookStore
from tests.ted_jobs.jobs.test_store import claimed, submitted

DAY = 86400
ENDS = ("job.succeeded", "job.failed", "job.cancelled", "job.expired")
URL = "https://hooks.example.com/ted"
REFUSED = Outcome(500, "refused")


@pytest.fixture
def mine(engine: Engine) -> WebhookStore:
    return WebhookStore(engine, tenant="default")


@pytest.fixture
def webhook(mine: WebhookStore) -> Webhook:
    return mine.register(URL, ENDS)


def deliveries_of(mine: WebhookStore, webhook: Webhook) -> list[Delivery]:
    return mine.deliveries(webhook.id, limit=100)


def claim(engine: Engine, **options) -> ClaimedDelivery:
    message = due.claim_next(engine, **options)
    assert message
    return message


def make_due(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(update(deliveries).where(deliveries.c.due_at.is_not(None)).values(due_at=now(-1)))


# --- events become deliveries -----------------------------------------------------------------------------------------


def test_the_delivery_of_an_ended_job_has_its_status_and_links(
    store: JobStore, engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    job = store.cancel(submitted(store), tenant="default")

    (delivery,) = deliveries_of(mine, webhook)
    payload = json.loads(claim(engine).payload)

    assert (delivery.job_id, delivery.type, delivery.status, delivery.attempt) == (
        job.id,
        "job.cancelled",
        "pending",
        0,
    )
    assert payload.keys() == {"type", "timestamp", "data"}
    assert payload["type"] == "job.cancelled"
    assert payload["timestamp"].endswith("Z")
    assert payload["data"] == {
        "job_id": job.id,
        "status": "cancelled",
        "sequence": 2,
        "links": {"self": f"/v1/jobs/{job.id}", "events": f"/v1/jobs/{job.id}/events"},
    }


def test_every_terminal_status_is_delivered(
    store: JobStore, leases: Leases, engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    store.cancel(submitted(store), tenant="default")
    done = claimed(store, leases)
    leases.begin_finalizing(done)
    leases.finish(done, published=[], result={})
    leases.fail(claimed(store, leases), JobError("code", "message"))
    submitted(store)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.status == "queued").values(deadline_at=now(-1)))
    maintenance.expire_overdue(engine)

    assert sorted(delivery.type for delivery in deliveries_of(mine, webhook)) == sorted(ENDS)


def test_only_subscribed_events_are_delivered(store: JobStore, leases: Leases, mine: WebhookStore) -> None:
    starts, ends = mine.register(URL, ["job.queued", "job.running"]), mine.register(URL, ["job.succeeded"])

    claimed(store, leases)

    assert {delivery.type for delivery in deliveries_of(mine, starts)} == {"job.queued", "job.running"}
    assert not deliveries_of(mine, ends)


def test_another_tenants_jobs_are_not_delivered(store: JobStore, engine: Engine, webhook: Webhook) -> None:
    theirs = WebhookStore(engine, tenant="other")
    elsewhere = theirs.register(URL, ENDS)

    store.cancel(submitted(store), tenant="default")

    assert not deliveries_of(theirs, elsewhere)


def test_event_and_delivery_are_written_together_or_not_at_all(
    store: JobStore, engine: Engine, mine: WebhookStore, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submitted(store)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(
            "ted_jobs.jobs.transitions.increment_counter", crash
        )  # after event and delivery, before the commit
        store.cancel(job_id, tenant="default")

    assert store.job(job_id, tenant="default").status == "queued"
    assert not deliveries_of(mine, webhook)


def test_a_job_without_webhooks_costs_one_query_and_writes_nothing(store: JobStore, engine: Engine) -> None:
    store.cancel(submitted(store), tenant="default")

    with read_transaction(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(deliveries)) == 0


def test_deleting_a_webhook_at_the_same_moment_breaks_no_job(
    store: JobStore, engine: Engine, mine: WebhookStore
) -> None:
    ids = [submitted(store) for _ in range(20)]
    passing = [mine.register(URL, ENDS) for _ in range(10)]

    with ThreadPoolExecutor(8) as threads:
        ended = [threads.submit(store.cancel, job_id, tenant="default") for job_id in ids]
        gone = [threads.submit(mine.delete, webhook.id) for webhook in passing]

    assert all(job.result().status == "cancelled" for job in ended)
    assert not [future.result() for future in gone if future.result()]
    assert not mine.webhooks(limit=10)


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_claimed_delivery_is_not_claimed_again_until_its_claim_runs_out(
    engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    ping = mine.ping(webhook.id)

    first = claim(engine)
    meanwhile = due.claim_next(engine)
    make_due(engine)
    second = claim(engine)

    assert meanwhile is None
    assert (first.id, second.id) == (ping.id, ping.id)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.url == URL
    assert first.secrets == (webhook.secret,)


def test_concurrent_senders_never_claim_a_delivery_twice(engine: Engine, mine: WebhookStore, webhook: Webhook) -> None:
    waiting = {mine.ping(webhook.id).id for _ in range(40)}

    def all_there_are() -> list[str]:
        return [message.id for message in iter(lambda: due.claim_next(engine), None)]

    with ThreadPoolExecutor(8) as threads:
        claims = [
            delivery for share in [threads.submit(all_there_are) for _ in range(8)] for delivery in share.result()
        ]

    assert sorted(claims) == sorted(waiting)


def test_the_sender_chooses_among_the_webhooks_to_which_deliveries_are_due(
    engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    for _ in range(3):
        mine.ping(webhook.id)
    newest, idle, theirs = mine.register(URL, ENDS), mine.register(URL, ENDS), WebhookStore(engine, tenant="other")
    mine.ping(newest.id)
    other = theirs.register(URL, ENDS)
    theirs.ping(other.id)
    due.retry(engine, claim(engine), REFUSED, seconds=60)
    offered: list[due.WaitingWebhook] = []

    def choose(waiting: Sequence[due.WaitingWebhook]) -> due.WaitingWebhook | None:
        offered.extend(waiting)
        return next(one for one in waiting if one.tenant == "other")

    chosen = claim(engine, choose=choose)

    assert (chosen.webhook_id, chosen.tenant) == (other.id, "other")
    assert {one.id: one.tenant for one in offered} == {webhook.id: "default", newest.id: "default", other.id: "other"}
    assert [one.id for one in sorted(offered, key=lambda one: one.due_at)] == [webhook.id, newest.id, other.id]
    assert due.claim_next(engine, choose=lambda _: None) is None
    assert not mine.deliveries(idle.id, limit=1)


def test_a_delivered_message_is_not_sent_again(engine: Engine, mine: WebhookStore, webhook: Webhook) -> None:
    mine.ping(webhook.id)

    due.succeed(engine, claim(engine), Outcome(204))
    make_due(engine)

    (delivery,) = deliveries_of(mine, webhook)
    assert (delivery.status, delivery.status_code, delivery.error, delivery.due_at) == ("delivered", 204, None, None)
    assert delivery.finished_at
    assert due.claim_next(engine) is None


def test_a_failed_attempt_is_repeated_when_it_is_due(engine: Engine, mine: WebhookStore, webhook: Webhook) -> None:
    mine.ping(webhook.id)

    due.retry(engine, claim(engine), REFUSED, seconds=60)

    (delivery,) = deliveries_of(mine, webhook)
    assert (delivery.status, delivery.status_code, delivery.error) == ("pending", 500, "refused")
    assert due.claim_next(engine) is None
    make_due(engine)
    assert claim(engine).attempt == 2


@pytest.mark.parametrize("late", [due.succeed, due.give_up, lambda *a: due.retry(*a, seconds=1)])
def test_a_sender_whose_claim_has_run_out_changes_nothing(
    engine: Engine, mine: WebhookStore, webhook: Webhook, late
) -> None:
    mine.ping(webhook.id)
    stale = claim(engine)
    make_due(engine)
    due.retry(engine, claim(engine), Outcome(error="timed_out"), seconds=3600)

    late(engine, stale, Outcome(200))

    (delivery,) = deliveries_of(mine, webhook)
    assert (delivery.status, delivery.attempt, delivery.error) == ("pending", 2, "timed_out")


def test_a_webhook_whose_receiver_is_gone_gets_no_more_deliveries(
    store: JobStore, engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    mine.ping(webhook.id)
    mine.ping(webhook.id)

    due.disable_gone(engine, claim(engine), Outcome(410, "refused"))
    store.cancel(submitted(store), tenant="default")

    assert [delivery.status for delivery in deliveries_of(mine, webhook)] == ["failed", "failed"]
    assert {delivery.error for delivery in deliveries_of(mine, webhook)} == {"refused", "webhook_disabled"}
    assert mine.webhook(webhook.id).disabled_reason == "the receiver answered 410 Gone"


def test_a_webhook_is_disabled_after_five_failed_deliveries_in_a_row(
    engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    def given_up() -> None:
        mine.ping(webhook.id)
        due.give_up(engine, claim(engine), REFUSED)

    for _ in range(due.FAILURES_UNTIL_DISABLED - 1):
        given_up()
    mine.ping(webhook.id)
    due.succeed(engine, claim(engine), Outcome(200))
    for _ in range(due.FAILURES_UNTIL_DISABLED - 1):
        given_up()
    before = mine.webhook(webhook.id)
    given_up()

    assert before.disabled_reason is None
    assert mine.webhook(webhook.id).disabled_reason == "5 deliveries on end failed in every attempt"


# --- what owners do ---------------------------------------------------------------------------------------------------


def test_a_secret_is_32_random_bytes_and_not_in_the_repr_of_a_webhook(mine: WebhookStore, webhook: Webhook) -> None:
    prefix, _, encoded = webhook.secret.partition("_")

    assert prefix == "whsec"
    assert len(base64.b64decode(encoded, validate=True)) == 32
    assert mine.register(URL, ENDS).secret != webhook.secret
    assert encoded not in repr(webhook)


def test_after_a_rotation_both_secrets_sign_for_a_day(engine: Engine, mine: WebhookStore, webhook: Webhook) -> None:
    mine.ping(webhook.id)

    rotated = mine.rotate(webhook.id)
    both = claim(engine)
    with write_transaction(engine) as connection:
        connection.execute(update(webhooks).values(former_secret_until=now(-1)))
    make_due(engine)
    later = claim(engine)

    assert rotated.secret != webhook.secret
    assert rotated.former_secret_until
    assert both.secrets == (rotated.secret, webhook.secret)
    assert later.secrets == (rotated.secret,)
    assert webhook.secret not in repr(both)


def test_changes_apply_to_pending_deliveries(engine: Engine, mine: WebhookStore, webhook: Webhook) -> None:
    mine.ping(webhook.id)

    changed = mine.change(webhook.id, url="https://other.example/", events=["job.failed"])

    assert (changed.url, changed.events) == ("https://other.example/", ["job.failed"])
    assert claim(engine).url == "https://other.example/"
    assert mine.change(webhook.id) == changed


def test_a_webhook_that_is_enabled_again_gets_only_later_events(
    store: JobStore, engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    waiting = mine.ping(webhook.id)

    disabled = mine.change(webhook.id, enabled=False)
    store.cancel(submitted(store), tenant="default")
    with pytest.raises(WebhookDisabled, match="by its owner"):
        mine.ping(webhook.id)
    with pytest.raises(WebhookDisabled):
        mine.redeliver(webhook.id, waiting.id)
    enabled = mine.change(webhook.id, enabled=True)
    store.cancel(submitted(store), tenant="default")

    assert disabled.disabled_reason == "disabled by its owner"
    assert mine.change(webhook.id, enabled=True) == enabled
    assert [delivery.status for delivery in deliveries_of(mine, webhook)] == ["pending", "failed"]


def test_a_redelivery_keeps_id_and_payload_and_gets_all_attempts_again(
    engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    delivery = mine.ping(webhook.id)
    first = claim(engine)
    due.succeed(engine, first, Outcome(200))

    again = mine.redeliver(webhook.id, delivery.id)
    second = claim(engine)

    assert (again.id, again.status, again.attempt, again.finished_at) == (delivery.id, "pending", 0, None)
    assert (second.id, second.payload, second.attempt) == (first.id, first.payload, 1)
    due.retry(engine, second, REFUSED, seconds=3600)
    assert mine.redeliver(webhook.id, delivery.id).attempt == 1  # one that waits goes on counting
    assert claim(engine).attempt == 2


def test_the_number_of_a_tenants_webhooks_is_limited(
    engine: Engine, mine: WebhookStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MOST_WEBHOOKS", 2)
    mine.register(URL, ENDS)
    mine.register(URL, ENDS)

    with pytest.raises(TooManyWebhooks):
        mine.register(URL, ENDS)

    assert WebhookStore(engine, tenant="other").register(URL, ENDS)


def test_another_tenants_webhooks_are_not_found(engine: Engine, mine: WebhookStore, webhook: Webhook) -> None:
    theirs = WebhookStore(engine, tenant="other")
    delivery = mine.ping(webhook.id)

    assert theirs.webhooks(limit=10) == []
    for call in (
        lambda: theirs.webhook(webhook.id),
        lambda: theirs.change(webhook.id, enabled=False),
        lambda: theirs.change(webhook.id, url="https://evil.example/"),
        lambda: theirs.rotate(webhook.id),
        lambda: theirs.delete(webhook.id),
        lambda: theirs.deliveries(webhook.id, limit=10),
        lambda: theirs.ping(webhook.id),
        lambda: theirs.redeliver(webhook.id, delivery.id),
    ):
        with pytest.raises(WebhookNotFound):
            call()
    other = theirs.register(URL, ENDS)
    with pytest.raises(DeliveryNotFound):
        theirs.redeliver(other.id, delivery.id)
    with pytest.raises(UnknownCursor):
        theirs.webhooks(limit=10, after=webhook.id)
    assert mine.webhook(webhook.id) == webhook


def test_pages_list_all_deliveries_newest_first(mine: WebhookStore, webhook: Webhook, engine: Engine) -> None:
    pings = [mine.ping(webhook.id).id for _ in range(5)]
    due.succeed(engine, claim(engine), Outcome(200))

    first = mine.deliveries(webhook.id, limit=3)
    rest = mine.deliveries(webhook.id, limit=3, after=first[-1].id)

    assert [delivery.id for delivery in [*first, *rest]] == pings[::-1]
    assert [
        delivery.id for delivery in mine.deliveries(webhook.id, limit=9, statuses=[due.DeliveryStatus.DELIVERED])
    ] == pings[:1]
    with pytest.raises(UnknownCursor):
        mine.deliveries(webhook.id, limit=3, after="msg_unknown")


def test_deliveries_are_deleted_with_their_webhook_and_with_their_job(
    store: JobStore, engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    other = mine.register(URL, ENDS)
    store.cancel(submitted(store), tenant="default")

    mine.delete(webhook.id)
    left = deliveries_of(mine, other)
    with write_transaction(engine) as connection:
        connection.execute(jobs.delete())

    assert len(left) == 1
    assert not deliveries_of(mine, other)
    with pytest.raises(WebhookNotFound):
        mine.webhook(webhook.id)


# --- upkeep -----------------------------------------------------------------------------------------------------------


def test_old_deliveries_are_deleted_and_pending_ones_are_not(
    engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    old, young, waiting = (mine.ping(webhook.id).id for _ in range(3))
    for _ in range(2):
        due.succeed(engine, claim(engine), Outcome(200))
    with write_transaction(engine) as connection:
        connection.execute(update(deliveries).values(created_at=now(-90 * DAY)))
        connection.execute(update(deliveries).where(deliveries.c.id == old).values(finished_at=now(-31 * DAY)))

    assert [retention.delete_old_deliveries(engine) for _ in range(2)] == [1, 0]
    assert {delivery.id for delivery in deliveries_of(mine, webhook)} == {young, waiting}


def test_the_snapshot_counts_deliveries_and_knows_how_long_the_oldest_has_been_due(
    engine: Engine, mine: WebhookStore, webhook: Webhook
) -> None:
    for _ in range(3):
        mine.ping(webhook.id)
    due.succeed(engine, claim(engine), Outcome(200))
    due.give_up(engine, claim(engine), REFUSED)
    with write_transaction(engine) as connection:
        connection.execute(update(deliveries).where(deliveries.c.status == "pending").values(due_at=now(-90)))

    counted = metrics_snapshot(engine)

    assert counted.deliveries == {"pending": 1, "delivered": 1, "failed": 1}
    assert counted.due_deliveries.count == 1
    assert counted.due_deliveries.oldest_seconds == pytest.approx(90, abs=10)


def test_searching_a_tenants_webhooks_uses_the_index(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads tables as small as this one from end to end, and is right")
    with write_transaction(engine) as connection:
        facts = {"url": URL, "events": [], "secret": "s", "created_at": now()}
        for number in range(100):
            connection.execute(insert(webhooks).values(id=f"wh_{number}", tenant=f"tenant {number}", **facts))
        question = due.SUBSCRIBED_WEBHOOKS.params(job_id="x").compile(engine, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}")
        steps = " ".join(row.detail for row in plan)

    assert "SCAN" not in steps
