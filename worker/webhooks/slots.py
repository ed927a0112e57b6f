"""Which delivery is sent next, so that no tenant's receivers hold up another's, however slow or many they are."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from cachetools import LRUCache

from ted_jobs.webhooks.deliveries import ClaimedDelivery, WaitingWebhook

MOST_IN_FLIGHT = 64
MOST_IN_FLIGHT_PER_TENANT = 8
MOST_IN_FLIGHT_PER_WEBHOOK = 3
MOST_REMEMBERED = 10_000
"""Prompt receivers that are remembered; of more, the one whose last delivery lies furthest back is forgotten."""
MOST_UNPROVEN_IN_FLIGHT = 48
"""Deliveries to receivers that are not prompt; they leave the other slots to those that are."""


class DeliverySlots:
    """The deliveries in flight.

    The next slot goes to the tenant that has the fewest in flight. A receiver whose last attempt was slow, or that has
    had none yet, comes after its tenant's prompt ones and has only one delivery in flight.
    """

    def __init__(self, *, prompt_seconds: float) -> None:
        """``prompt_seconds``: what an attempt may take at most to be prompt."""
        self._prompt_seconds = prompt_seconds
        self._in_flight: dict[str, ClaimedDelivery] = {}
        self._prompt: LRUCache[str, bool] = LRUCache(MOST_REMEMBERED)
        self._lock = Lock()

    def occupy(self, delivery: ClaimedDelivery) -> None:
        """Note that the delivery is in flight."""
        with self._lock:
            self._in_flight[delivery.id] = delivery

    def release(self, delivery: ClaimedDelivery, *, seconds: float) -> None:
        """Note that the attempt has ended, and how long it took."""
        with self._lock:
            self._in_flight.pop(delivery.id, None)  # an attempt that outlived its claim may be in flight twice
            if seconds > self._prompt_seconds:
                self._prompt.pop(delivery.webhook_id, None)
            else:
                self._prompt[delivery.webhook_id] = True

    def choose(self, waiting: Sequence[WaitingWebhook]) -> WaitingWebhook | None:
        """Return the webhook to which the next delivery is sent; None if there is room for none of them."""
        with self._lock:
            in_flight = list(self._in_flight.values())
            prompt = frozenset(self._prompt)
        tenants = Counter(delivery.tenant for delivery in in_flight)
        webhooks = Counter(delivery.webhook_id for delivery in in_flight)
        unproven = sum(delivery.webhook_id not in prompt for delivery in in_flight)

        def has_slot(webhook: WaitingWebhook) -> bool:
            if webhook.id in prompt:
                return webhooks[webhook.id] < MOST_IN_FLIGHT_PER_WEBHOOK
            return webhooks[webhook.id] < 1 and unproven < MOST_UNPROVEN_IN_FLIGHT

        def rank(webhook: WaitingWebhook) -> tuple[int, bool, datetime]:
            return (tenants[webhook.tenant], webhook.id not in prompt, webhook.due_at)

        if len(in_flight) >= MOST_IN_FLIGHT:
            return None
        eligible = (one for one in waiting if tenants[one.tenant] < MOST_IN_FLIGHT_PER_TENANT and has_slot(one))
        return min(eligible, key=rank, default=None)
