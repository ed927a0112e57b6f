"""What travels over HTTP about webhooks."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_jobs.webhooks import store as stored
from ted_jobs.webhooks.deliveries import DeliveryStatus, WebhookEventType

LONGEST_URL = 2048
DEFAULT_EVENT_TYPES: list[WebhookEventType] = ["job.succeeded", "job.failed", "job.cancelled", "job.expired"]

WebhookUrl = Annotated[
    str,
    Field(
        max_length=LONGEST_URL,
        description="https, to a host with public addresses only; no user name, no fragment, plain ASCII.",
        examples=["https://hooks.example.com/ted"],
    ),
]
EventTypes = Annotated[
    list[WebhookEventType], Field(min_length=1, max_length=20, description="Which events to be told of.")
]


class _RequestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class NewWebhook(_RequestModel):
    """A webhook to register."""

    url: WebhookUrl
    events: EventTypes = DEFAULT_EVENT_TYPES


class WebhookChange(_RequestModel):
    """What is to change; what is left out, or null, stays as it is."""

    url: WebhookUrl | None = None
    events: EventTypes | None = None
    enabled: Annotated[bool | None, Field(description="true: send again to a webhook that was disabled.")] = None


class Webhook(_ResponseModel):
    """A webhook as it is registered."""

    id: Annotated[str, Field(examples=["wh_019a2b3c4d5e0123456789abcdef"])]
    object: Literal["webhook"] = "webhook"
    url: str
    events: list[WebhookEventType]
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    former_secret_until: Annotated[
        datetime | None, Field(description="Until when the secret before the last rotation signs along.")
    ]

    @classmethod
    def of(cls, webhook: stored.Webhook) -> "Webhook":
        """Return the stored webhook, without its secret."""
        return cls.model_validate(_public_fields(webhook))


class WebhookWithSecret(Webhook):
    """A webhook and its secret, which is shown this once."""

    secret: Annotated[str, Field(description="Verify signatures with it.", examples=["whsec_…"])]

    @classmethod
    def of(cls, webhook: stored.Webhook) -> "WebhookWithSecret":
        """Return the stored webhook, with its secret."""
        return cls.model_validate({**_public_fields(webhook), "secret": webhook.secret})


def _public_fields(webhook: stored.Webhook) -> dict[str, object]:
    return {**vars(webhook), "enabled": webhook.disabled_reason is None}


class WebhookList(_ResponseModel):
    """A page of webhooks, newest first."""

    object: Literal["list"] = "list"
    data: list[Webhook]
    has_more: bool
    next: Annotated[str | None, Field(description="Pass as `after` for the next page; null on the last.")]


class Delivery(_ResponseModel):
    """A message to a webhook, and how it fares."""

    id: Annotated[
        str, Field(description="The `webhook-id` of every attempt.", examples=["msg_019a2b3c4d5e0123456789abcdef"])
    ]
    object: Literal["delivery"] = "delivery"
    webhook_id: str
    job_id: str | None
    type: Annotated[str, Field(examples=["job.succeeded", "ping"])]
    status: DeliveryStatus
    attempt: Annotated[int, Field(description="How often it has been tried, since it was last asked for.")]
    due_at: Annotated[
        datetime | None,
        Field(description="When it is tried next; during an attempt, when it would be repeated if nothing came of it."),
    ]
    status_code: Annotated[int | None, Field(description="What the receiver answered in the last attempt.")]
    error: Annotated[
        str | None,
        Field(
            description="What went wrong in it: refused, redirected, timed_out, connection_failed, tls_failed, "
            "no_answer, address_refused or webhook_disabled."
        ),
    ]
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, delivery: stored.Delivery) -> "Delivery":
        """Return the stored delivery as its owner sees it."""
        return cls.model_validate(vars(delivery))


class DeliveryList(_ResponseModel):
    """A page of deliveries, newest first."""

    object: Literal["list"] = "list"
    data: list[Delivery]
    has_more: bool
    next: Annotated[str | None, Field(description="Pass as `after` for the next page; null on the last.")]
