"""Messages to webhooks on their way: signed, bounded in time, to nobody but the address that was checked."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import structlog
import trustme
from sqlalchemy import Engine, func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import deliveries, webhooks
from ted_jobs.webhooks import deliveries as due
from ted_jobs.webhooks.deliveries import ClaimedDelivery
from ted_jobs.webhooks.store import Delivery, WebhookStore, new_webhook_secret
from tests.servers.stacks import until
from tests.servers.webhook_receivers import (
    Receiver,
    Responder,
    after,
    dripping,
    endless,
    in_turn,
    interim,
    nonsense,
    receiving,
    reset,
    status,
)
from worker.webhooks import pinned_http
from worker.webhooks import sender as sending
from worker.webhooks.sender import WebhookSender, attempt_delivery, retry_delay, sender_thread, signed_headers
from worker.webhooks.slots import MOST_IN_FLIGHT, MOST_IN_FLIGHT_PER_WEBHOOK, MOST_UNPROVEN_IN_FLIGHT

METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture
def mine(engine: Engine) -> WebhookStore:
    return WebhookStore(engine, tenant="default")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt takes a second at most."""
    monkeypatch.setattr(sending, "ATTEMPT_SECONDS", 1.0)


def tried(engine: Engine, mine: WebhookStore, url: str, *, times: int = 1, **options) -> Delivery:
    """What became of a message to this URL after so many attempts."""
    webhook = mine.register(url, ["job.succeeded"])
    mine.ping(webhook.id)
    for _ in range(times):
        message = due.claim_next(engine)
        assert message
        attempt_delivery(engine, message, **{"reach": "loopback"} | options)
        with write_transaction(engine) as connection:
            connection.execute(update(deliveries).where(deliveries.c.status == "pending").values(due_at=now(-1)))
    (delivery,) = mine.deliveries(webhook.id, limit=2)
    return delivery


def seconds_until_due(engine: Engine) -> float:
    with read_transaction(engine) as connection:
        due_at, present = connection.execute(select(deliveries.c.due_at, now())).one()
        return (due_at - present).total_seconds()


# --- signatures -------------------------------------------------------------------------------------------------------


def test_a_delivery_arrives_signed_and_as_it_was_stored(engine: Engine, mine: WebhookStore) -> None:
    webhook = mine.register("https://hooks.example.com/", ["job.succeeded"])
    with receiving() as receiver:
        mine.change(webhook.id, url=receiver.url)
        ping = mine.ping(webhook.id)

        attempt_delivery(engine, due.claim_next(engine), reach="loopback")

    (request,) = receiver.received
    assert request.id == ping.id
    assert request.headers["content-type"] == "application/json"
    assert request.verified(webhook.secret)["type"] == "ping"
    assert json.loads(request.body)["data"] == {"webhook_id": webhook.id}
    (delivery,) = mine.deliveries(webhook.id, limit=1)
    assert (delivery.status, delivery.status_code, delivery.error) == ("delivered", 204, None)


def test_after_a_rotation_old_and_new_secret_both_verify(engine: Engine, mine: WebhookStore) -> None:
    with receiving() as receiver:
        webhook = mine.register(receiver.url, ["job.succeeded"])
        rotated = mine.rotate(webhook.id)
        mine.ping(webhook.id)

        attempt_delivery(engine, due.claim_next(engine), reach="loopback")

    (request,) = receiver.received
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert request.verified(webhook.secret) == request.verified(rotated.secret)
    with pytest.raises(WebhookVerificationError):
        request.verified(new_webhook_secret())


def test_an_altered_or_old_message_does_not_verify() -> None:
    secret, body = new_webhook_secret(), '{"type":"ping"}'
    message = ClaimedDelivery(
        "msg_1", "wh_1", "a", "https://x.example/", body, attempt=1, attempted_at=datetime.now(UTC), secrets=(secret,)
    )
    sent = signed_headers(message)
    stale = str(int((datetime.now(UTC) - timedelta(minutes=6)).timestamp()))
    replayed = Webhook(secret).sign("msg_1", datetime.fromtimestamp(int(stale), UTC), body)

    assert Webhook(secret).verify(body, sent) == {"type": "ping"}
    for altered_body, altered in (
        (body.replace("ping", "pong"), {}),
        (body, {"webhook-id": "msg_2"}),
        (body, {"webhook-timestamp": str(int(sent["webhook-timestamp"]) + 1)}),
        (body, {"webhook-timestamp": stale, "webhook-signature": replayed}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(altered_body, sent | altered)


# --- receivers that behave badly --------------------------------------------------------------------------------------


def test_a_receiver_that_recovers_gets_the_same_message_again(engine: Engine, mine: WebhookStore) -> None:
    with receiving(in_turn(status(500), reset, status(200))) as receiver:
        delivery = tried(engine, mine, receiver.url, times=3)

    assert receiver.ids == [delivery.id] * 3
    assert len({request.body for request in receiver.received}) == 1
    assert (delivery.status, delivery.attempt, delivery.status_code) == ("delivered", 3, 200)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("answer", "code", "error"),
    [
        pytest.param(status(302, Location=METADATA), 302, "redirected", id="redirect"),
        pytest.param(status(307, Location=METADATA), 307, "redirected", id="redirect that keeps the method"),
        pytest.param(status(304), 304, "redirected", id="not modified"),
        pytest.param(status(400), 400, "refused", id="bad request"),
        pytest.param(status(500), 500, "refused", id="server error"),
        pytest.param(dripping, None, "timed_out", id="slow drip"),
        pytest.param(interim, None, "timed_out", id="interim answers"),
        pytest.param(after(5, status(200)), None, "timed_out", id="silence"),
        pytest.param(reset, None, "no_answer", id="reset"),
        pytest.param(nonsense, None, "no_answer", id="another protocol"),
    ],
)
def test_every_failure_is_recorded_in_one_word_and_retried(
    engine: Engine, mine: WebhookStore, answer: Responder, code: int | None, error: str
) -> None:
    began = time.monotonic()
    with receiving(answer) as receiver:
        delivery = tried(engine, mine, receiver.url)

    assert len(receiver.received) == 1
    assert (delivery.status, delivery.status_code, delivery.error) == ("pending", code, error)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("hurried")
def test_the_body_of_a_response_is_not_read(engine: Engine, mine: WebhookStore) -> None:
    with receiving(endless) as receiver:
        delivery = tried(engine, mine, receiver.url)

    assert (delivery.status, delivery.error) == ("delivered", None)


def test_a_refused_connection_is_a_failed_attempt(engine: Engine, mine: WebhookStore) -> None:
    with receiving() as receiver:
        pass

    delivery = tried(engine, mine, receiver.url)

    assert (delivery.status, delivery.error) == ("pending", "connection_failed")


def test_410_disables_the_webhook(engine: Engine, mine: WebhookStore) -> None:
    with receiving(status(410)) as receiver:
        delivery = tried(engine, mine, receiver.url)

    assert (delivery.status, delivery.status_code) == ("failed", 410)
    assert "410" in (mine.webhook(delivery.webhook_id).disabled_reason or "")


# --- when it is tried again -------------------------------------------------------------------------------------------


def test_retry_delays_are_those_of_standard_webhooks_and_at_most_a_fifth_longer() -> None:
    attempts = range(1, 10)

    assert [retry_delay(number, jitter=lambda: 0) for number in attempts] == [
        *(5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    ]
    assert all(retry_delay(number) <= 1.2 * retry_delay(number, jitter=lambda: 0) for number in attempts)


def test_a_delivery_is_given_up_after_the_tenth_attempt(engine: Engine, mine: WebhookStore) -> None:
    with receiving(status(500)) as receiver:
        delivery = tried(engine, mine, receiver.url, times=10)

    assert len(receiver.received) == 10
    assert (delivery.status, delivery.attempt, delivery.status_code) == ("failed", 10, 500)


def in_an_hour() -> str:
    """The time, as HTTP writes it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)


@pytest.mark.parametrize(
    ("code", "retry_after", "seconds"),
    [
        pytest.param(429, "3600", 3600, id="seconds"),
        pytest.param(503, None, 3600, id="date"),
        pytest.param(503, "99999999999", 86400, id="far too long"),
        pytest.param(503, "0", 5, id="sooner than usual"),
        pytest.param(503, "soon", 5, id="nonsense"),
        pytest.param(503, "-5", 5, id="in the past"),
        pytest.param(500, "3600", 5, id="not for this status"),
    ],
)
def test_retry_after_is_honoured_within_bounds(
    engine: Engine, mine: WebhookStore, code: int, retry_after: str | None, seconds: float
) -> None:
    with receiving(status(code, Retry_After=retry_after or in_an_hour())) as receiver:
        webhook = mine.register(receiver.url, ["job.succeeded"])
        mine.ping(webhook.id)

        attempt_delivery(engine, due.claim_next(engine), reach="loopback")

    assert seconds_until_due(engine) == pytest.approx(seconds, abs=0.2 * 5 + 60 * (seconds > 5))


# --- nobody but the address that was checked --------------------------------------------------------------------------


def test_a_name_is_resolved_once_and_later_changes_do_not_matter(engine: Engine, mine: WebhookStore) -> None:
    hosts: list[str] = []

    def rebinding(host: str, _: int) -> list[str]:
        hosts.append(host)
        return ["127.0.0.1"] if len(hosts) == 1 else ["10.0.0.1"]

    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "rebinding.example")
        delivery = tried(engine, mine, url, resolve=rebinding)

    assert delivery.status == "delivered"
    assert hosts == ["rebinding.example"]
    assert receiver.received[0].headers["host"] == url.split("/")[2]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["169.254.169.254"], ["127.0.0.1"], ["::ffff:127.0.0.1"], []])
def test_a_name_that_now_resolves_to_an_internal_address_is_refused(
    engine: Engine, mine: WebhookStore, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it has connected"))

    delivery = tried(engine, mine, "https://moved.example/", reach="public", resolve=lambda *_: addresses)

    assert (delivery.status, delivery.status_code, delivery.error) == ("pending", None, "address_refused")


def test_a_proxy_in_the_environment_is_not_used(
    engine: Engine, mine: WebhookStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        delivery = tried(engine, mine, receiver.url)

    assert delivery.status == "delivered"
    assert (len(proxy.received), len(receiver.received)) == (0, 1)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Whom the sender trusts in this test, and nobody else."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(pinned_http, "_ssl_context", lambda: trusting)
    return authority


def presenting(certificate: trustme.LeafCert, names: list[str | None]) -> ssl.SSLContext:
    """A server with this certificate, which records the names that it is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    return context


def test_the_certificate_must_be_that_of_the_name_and_not_of_the_address(
    engine: Engine, mine: WebhookStore, authority: trustme.CA
) -> None:
    names: list[str | None] = []
    right = presenting(authority.issue_cert("hooks.example.com"), names)
    wrong = presenting(authority.issue_cert("127.0.0.1", "other.example.com"), [])
    strangers = presenting(trustme.CA().issue_cert("hooks.example.com"), [])

    def outcome(tls: ssl.SSLContext) -> str | None:
        with receiving(tls=tls) as receiver:
            url = receiver.url.replace("127.0.0.1", "hooks.example.com")
            delivery = tried(engine, mine, url, resolve=lambda *_: ["127.0.0.1"])
        mine.delete(delivery.webhook_id)
        return delivery.error

    assert [outcome(right), outcome(wrong), outcome(strangers)] == [None, "tls_failed", "tls_failed"]
    assert names == ["hooks.example.com"]


def test_if_the_first_address_refuses_the_connection_the_next_is_tried(engine: Engine, mine: WebhookStore) -> None:
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "both.example")
        delivery = tried(engine, mine, url, resolve=lambda *_: ["::1", "127.0.0.1"])

    assert delivery.status == "delivered"


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.fixture
def slow() -> Iterator[Receiver]:
    with receiving(after(2, status(200))) as receiver:
        yield receiver


def test_a_slow_receiver_leaves_room_for_the_others(engine: Engine, mine: WebhookStore, slow: Receiver) -> None:
    with receiving() as quick, sender_thread(engine, reach="loopback", pause=0.05):
        crowded = mine.register(slow.url, ["job.succeeded"])
        for _ in range(30):
            mine.ping(crowded.id)
        until(lambda: slow.received, seconds=10)

        mine.ping(mine.register(quick.url, ["job.succeeded"]).id)
        until(lambda: quick.received, seconds=1.5)

        assert len(slow.received) <= MOST_IN_FLIGHT_PER_WEBHOOK
    assert [delivery.status for delivery in mine.deliveries(crowded.id, limit=100)].count("delivered") <= 2 * 3


def test_the_number_of_deliveries_in_flight_is_limited(engine: Engine) -> None:
    for tenant in range(7):
        for number in range(8):
            ping(engine, f"tenant {tenant}", f"https://{number}.example/", times=2)
    release = threading.Event()

    with ThreadPoolExecutor(MOST_IN_FLIGHT) as threads:
        courier = WebhookSender(engine, lambda _: release.wait(20) and None, threads)
        begun, more = courier.dispatch(), courier.dispatch()
        release.set()

    assert (begun, more) == (MOST_UNPROVEN_IN_FLIGHT, 0)


def ping(engine: Engine, tenant: str, url: str, *, times: int = 1) -> None:
    """Enqueue messages to a new webhook of this tenant."""
    store = WebhookStore(engine, tenant=tenant)
    webhook = store.register(url, ["job.succeeded"])
    for _ in range(times):
        store.ping(webhook.id)


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield the URL of a listener that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.usefixtures("hurried")
def test_receivers_that_never_answer_do_not_delay_another_tenants_message(engine: Engine) -> None:
    with black_hole() as hole, receiving() as theirs:
        for _ in range(20):
            ping(engine, "many", hole, times=5)
        with sender_thread(engine, reach="loopback", pause=0.05):
            for under_way in (8, 16, 24):
                until(lambda count=under_way: attempts(engine, "many") >= count, seconds=10)
                ping(engine, "other", theirs.url)
                until(lambda count=under_way // 8: len(theirs.received) == count, seconds=1.5)


def attempts(engine: Engine, tenant: str) -> int:
    """How many attempts at the tenant's deliveries have begun."""
    query = select(func.sum(deliveries.c.attempt)).join(webhooks).where(webhooks.c.tenant == tenant)
    with read_transaction(engine) as connection:
        return connection.scalar(query) or 0


@pytest.mark.usefixtures("hurried")
def test_a_tls_handshake_that_never_ends_times_out(engine: Engine, mine: WebhookStore) -> None:
    began = time.monotonic()
    with black_hole() as hole:
        delivery = tried(engine, mine, hole.replace("http:", "https:"))

    assert delivery.error == "timed_out"
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("hurried")
def test_the_time_to_resolve_the_name_counts(engine: Engine, mine: WebhookStore) -> None:
    def slowly(*_: object) -> list[str]:
        time.sleep(1.1)
        return ["127.0.0.1"]

    with receiving() as receiver:
        delivery = tried(engine, mine, receiver.url, resolve=slowly)

    assert (delivery.error, receiver.received) == ("timed_out", [])


def test_a_delivery_whose_sender_crashes_is_no_longer_in_flight(engine: Engine, mine: WebhookStore) -> None:
    mine.ping(mine.register("https://x.example/", ["job.succeeded"]).id)

    def break_off(_: ClaimedDelivery) -> None:
        raise ValueError

    with ThreadPoolExecutor(1) as threads:
        courier = WebhookSender(engine, break_off, threads)
        assert courier.dispatch() == 1

    mine.ping(mine.register("https://x.example/", ["job.succeeded"]).id)
    assert due.claim_next(engine, choose=courier.slots.choose)


def test_no_secret_is_logged(
    engine: Engine, mine: WebhookStore, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with receiving(in_turn(status(500), nonsense, status(200))) as receiver, structlog.testing.capture_logs() as logs:
        webhook = mine.register(receiver.url, ["job.succeeded"])
        rotated = mine.rotate(webhook.id)
        mine.ping(webhook.id)
        for _ in range(3):
            attempt_delivery(engine, due.claim_next(engine), reach="loopback")
            with write_transaction(engine) as connection:
                connection.execute(update(deliveries).values(due_at=now(-1)))

    output = f"{logs} {caplog.text} {capsys.readouterr()}"
    assert len(receiver.received) == 3
    assert "delivery attempted" in output
    for secret in (webhook.secret, rotated.secret):
        assert secret.removeprefix("whsec_") not in output
    assert all(request.headers["webhook-signature"] not in output for request in receiver.received)
