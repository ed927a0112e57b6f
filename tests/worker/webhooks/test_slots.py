"""Which delivery is sent next."""

from datetime import UTC, datetime, timedelta

from ted_jobs.webhooks.deliveries import ClaimedDelivery, WaitingWebhook
from worker.webhooks.slots import (
    MOST_IN_FLIGHT,
    MOST_IN_FLIGHT_PER_TENANT,
    MOST_IN_FLIGHT_PER_WEBHOOK,
    MOST_UNPROVEN_IN_FLIGHT,
    DeliverySlots,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


class Sender:
    """Slots, and webhooks to which deliveries are always due."""

    def __init__(self, *webhooks: str, prompt: bool = True) -> None:
        """``webhooks``: tenant and number, such as ``a1``, those that have been due longest first."""
        self.slots = DeliverySlots(prompt_seconds=2)
        self.waiting = [
            WaitingWebhook(name, name[0], START + timedelta(seconds=number)) for number, name in enumerate(webhooks)
        ]
        self.in_flight: list[ClaimedDelivery] = []
        self.sent = 0
        if prompt:
            self.attempt(*webhooks, seconds=0.1)

    def delivery(self, webhook: str) -> ClaimedDelivery:
        """Return another delivery to the webhook."""
        self.sent += 1
        return ClaimedDelivery(
            f"msg_{self.sent}", webhook, webhook[0], "", "", attempt=1, attempted_at=START, secrets=()
        )

    def attempt(self, *webhooks: str, seconds: float) -> None:
        """Have one attempt for each of the webhooks that takes so long."""
        for webhook in webhooks:
            self.slots.release(self.delivery(webhook), seconds=seconds)

    def send(self, *, at_most: int = 1000) -> list[str]:
        """Fill the slots and return the webhooks in the order in which they got them."""
        began = []
        while len(began) < at_most and (webhook := self.slots.choose(self.waiting)):
            self.in_flight.append(self.delivery(webhook.id))
            self.slots.occupy(self.in_flight[-1])
            began.append(webhook.id)
        return began


def names(tenants: str, count: int) -> list[str]:
    return [f"{tenant}{number}" for tenant in tenants for number in range(count)]


def test_a_webhook_and_a_tenant_have_only_so_many_in_flight() -> None:
    assert len(Sender("a0").send()) == MOST_IN_FLIGHT_PER_WEBHOOK
    assert len(Sender(*names("a", 20)).send()) == MOST_IN_FLIGHT_PER_TENANT


def test_tenants_take_turns_and_then_those_that_have_been_due_longest() -> None:
    assert Sender("a0", "a1", "b0", "c0").send(at_most=6) == ["a0", "b0", "c0", "a0", "b0", "c0"]
    assert Sender("b0", "a0", "a1").send(at_most=3) == ["b0", "a0", "b0"]


def test_all_together_have_only_so_many_in_flight_and_a_newcomer_gets_the_next_slot() -> None:
    sender = Sender(*names("abcdefghij", 8), "z0")
    newcomer = sender.waiting.pop()

    assert len(sender.send()) == MOST_IN_FLIGHT
    sender.waiting.append(newcomer)
    sender.slots.release(sender.in_flight.pop(), seconds=15)

    assert sender.send() == ["z0"]


def test_a_receiver_that_was_slow_comes_last_and_has_one_in_flight_until_it_is_prompt() -> None:
    sender = Sender("a0", "a1")
    sender.attempt("a0", seconds=15)

    assert sender.send() == ["a1"] * 3 + ["a0"]

    sender.attempt("a0", seconds=0.1)
    assert sender.send() == ["a0", "a0"]


def test_receivers_that_are_new_or_slow_leave_slots_to_the_prompt_ones() -> None:
    sender = Sender(*names("abcdefghij", 20), prompt=False)
    sender.attempt(*names("abcde", 20), seconds=15)

    assert len(sender.send()) == MOST_UNPROVEN_IN_FLIGHT
    sender.waiting += [WaitingWebhook("z0", "z", START + timedelta(days=1))]
    assert sender.send() == []
    sender.attempt("z0", seconds=0.1)
    assert sender.send() == ["z0"] * 3
