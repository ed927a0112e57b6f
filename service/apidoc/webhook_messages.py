"""What webhooks are sent, as the OpenAPI document tells it. The service calls these endpoints; nobody calls ours."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from ted_jobs.jobs.status import JobStatus
from ted_jobs.webhooks.deliveries import WebhookEventType

router = APIRouter(tags=["webhooks"])

RECEIVER_RESPONSES: dict[int | str, dict[str, Any]] = {
    204: {"description": "Any 2xx within 15 seconds: the message is taken in."},
    410: {"description": "No more messages are wanted: the webhook is disabled."},
    "default": {"description": "The message comes again later, under the same `webhook-id`."},
}

WebhookIdHeader = Annotated[
    str, Header(alias="webhook-id", description="The same in every attempt: a message may come twice.")
]
TimestampHeader = Annotated[
    int, Header(alias="webhook-timestamp", description="Seconds since 1970 when this attempt began.")
]
SignatureHeader = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and the HMAC-SHA256 of id, time and body in Base64; for a day after a rotation two of them.",
    ),
]


class _WebhookPayload(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobNews(_WebhookPayload):
    """What has become of a job."""

    job_id: str
    status: JobStatus
    sequence: Annotated[int, Field(description="Counts the job's events: the higher one is the later.")]
    links: Annotated[dict[str, str], Field(description="Where to read on, relative to the service.")]


class JobMessage(_WebhookPayload):
    """A job has come to another status."""

    type: WebhookEventType
    timestamp: Annotated[datetime, Field(description="When the event was stored.")]
    data: JobNews


class PingNews(_WebhookPayload):
    """Whom the ping is for."""

    webhook_id: str


class PingMessage(_WebhookPayload):
    """Somebody has asked for a message to try the webhook out."""

    type: Literal["ping"]
    timestamp: datetime
    data: PingNews


_webhook = partial(router.post, status_code=204, response_class=Response, responses=RECEIVER_RESPONSES)


@_webhook("job", operation_id="receive_job", summary="A job has come to another status")
def receive_job(
    message: JobMessage,
    webhook_id: WebhookIdHeader,
    webhook_timestamp: TimestampHeader,
    webhook_signature: SignatureHeader,
) -> None:
    """Sent for the events that the webhook was registered for, as Standard Webhooks has it. Verify its signature."""


@_webhook("ping", operation_id="receive_ping", summary="Somebody tries the webhook out")
def receive_ping(
    message: PingMessage,
    webhook_id: WebhookIdHeader,
    webhook_timestamp: TimestampHeader,
    webhook_signature: SignatureHeader,
) -> None:
    """Sent on `POST /v1/webhooks/{webhook_id}/ping`."""
