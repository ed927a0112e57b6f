"""Webhooks: register, change, delete, and see what they were told."""

import math
import re
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.apidoc.responses import documented_response, json_request_body, problem_responses
from service.http.dependencies import Caller, State, json_body
from service.http.errors import TooManyRequests
from service.http.paging import read_page
from service.limits.held_requests import HeldRequests
from service.schemas import webhooks as schemas
from ted_jobs.errors import DeliveryNotFound, WebhookNotFound
from ted_jobs.settings import Settings
from ted_jobs.webhooks.deliveries import DeliveryStatus
from ted_jobs.webhooks.store import WebhookStore
from ted_jobs.webhooks.targets import RESOLVE_SECONDS, WebhookTarget, allowed_addresses

log = structlog.get_logger()
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

name_checks = HeldRequests(4)
"""Names that are being resolved for each tenant: name servers which hang must not occupy all threads."""
WEBHOOK_ID = re.compile(r"wh_[0-9a-f]{28}")
DELIVERY_ID = re.compile(r"msg_[0-9a-f]{28}")


async def _webhook_id(
    webhook_id: Annotated[str, Path(description="The webhook's id.", examples=["wh_019a2b3c4d5e0123456789abcdef"])],
) -> str:
    if not WEBHOOK_ID.fullmatch(webhook_id):
        raise WebhookNotFound(repr(webhook_id[:100]))
    return webhook_id


async def _delivery_id(
    delivery_id: Annotated[str, Path(description="The delivery's id.", examples=["msg_019a2b3c4d5e0123456789abcdef"])],
) -> str:
    if not DELIVERY_ID.fullmatch(delivery_id):
        raise DeliveryNotFound(repr(delivery_id[:100]))
    return delivery_id


async def _webhook_store(state: State, caller: Caller) -> WebhookStore:
    return WebhookStore(state.store.engine, tenant=caller.tenant)


WebhookIdParam = Annotated[str, Depends(_webhook_id)]
DeliveryIdParam = Annotated[str, Depends(_delivery_id)]
Webhooks = Annotated[WebhookStore, Depends(_webhook_store)]
NewWebhookBody = Annotated[schemas.NewWebhook, Depends(json_body(schemas.NewWebhook))]
WebhookChangeBody = Annotated[schemas.WebhookChange, Depends(json_body(schemas.WebhookChange))]


class WebhookPage(BaseModel):
    """Which webhooks to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str | None, Field(pattern=f"^{WEBHOOK_ID.pattern}$", description="List older ones than this.")] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class DeliveryFilter(BaseModel):
    """Which deliveries to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        str | None, Field(pattern=f"^{DELIVERY_ID.pattern}$", description="List older ones than this.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    status: Annotated[list[DeliveryStatus], Field(description="Only those in one of these; may be repeated.")] = []


@router.post(
    "",
    status_code=201,
    operation_id="register_webhook",
    summary="Register a webhook",
    openapi_extra=json_request_body(schemas.NewWebhook),
    responses=documented_response(
        201, "The webhook, with its secret, which is shown this once.", Location="The webhook."
    )
    | problem_responses(400, 409, 413, 415, 422),
)
def register_webhook(
    body: NewWebhookBody, state: State, webhooks: Webhooks, response: Response
) -> schemas.WebhookWithSecret:
    """Have a URL told what happens to your jobs, from now on, signed as Standard Webhooks has it."""
    webhook = webhooks.register(_check_url(body.url, webhooks.tenant, state.settings), body.events)
    log.info("webhook registered", webhook=webhook.id)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    return schemas.WebhookWithSecret.of(webhook)


def _check_url(url: str, tenant: str, settings: Settings) -> str:
    """Return the URL as it is stored. Raises TargetRefused if it leads where it may not, and TooManyRequests."""
    target = WebhookTarget.parse(url)
    with name_checks.hold(tenant) as may_check:
        if not may_check:
            raise TooManyRequests(math.ceil(RESOLVE_SECONDS))
        allowed_addresses(target, reach=settings.webhook_targets)
    return str(target)


@router.get("", operation_id="list_webhooks", summary="List webhooks", responses=problem_responses(422))
def list_webhooks(query: Annotated[WebhookPage, Query()], webhooks: Webhooks) -> schemas.WebhookList:
    """The newest webhooks first. If there are more, `next` leads to them."""
    page = read_page(lambda limit: webhooks.webhooks(limit=limit, after=query.after), query.limit)
    data = [schemas.Webhook.of(webhook) for webhook in page.rows]
    return schemas.WebhookList(data=data, has_more=page.has_more, next=page.next(lambda last: last.id))


@router.get("/{webhook_id}", operation_id="read_webhook", summary="Read a webhook", responses=problem_responses(404))
def read_webhook(webhook_id: WebhookIdParam, webhooks: Webhooks) -> schemas.Webhook:
    """The webhook, and why it is disabled if it is. Its secret is not shown again."""
    return schemas.Webhook.of(webhooks.webhook(webhook_id))


@router.patch(
    "/{webhook_id}",
    operation_id="change_webhook",
    summary="Change a webhook",
    openapi_extra=json_request_body(schemas.WebhookChange),
    responses=problem_responses(400, 404, 413, 415, 422),
)
def change_webhook(
    webhook_id: WebhookIdParam, body: WebhookChangeBody, state: State, webhooks: Webhooks
) -> schemas.Webhook:
    """Another URL, other events, or on and off.

    Messages that wait go to the new URL. What happens while a webhook is disabled it is never told, and what it was
    still to be told has failed; failed messages can be redelivered.
    """
    url = None if body.url is None else _check_url(body.url, webhooks.tenant, state.settings)
    return schemas.Webhook.of(webhooks.change(webhook_id, url=url, events=body.events, enabled=body.enabled))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    operation_id="delete_webhook",
    summary="Delete a webhook",
    responses=documented_response(204, "The webhook is gone, with its deliveries.") | problem_responses(404),
)
def delete_webhook(webhook_id: WebhookIdParam, webhooks: Webhooks) -> None:
    """Tell it nothing any more, and forget what it was told. A message on its way may still arrive."""
    webhooks.delete(webhook_id)


@router.post(
    "/{webhook_id}/rotate",
    operation_id="rotate_webhook_secret",
    summary="Replace a webhook's secret",
    responses=problem_responses(404),
)
def rotate_webhook_secret(webhook_id: WebhookIdParam, webhooks: Webhooks) -> schemas.WebhookWithSecret:
    """A new secret, shown this once. For a day messages carry a signature by the former one, too."""
    return schemas.WebhookWithSecret.of(webhooks.rotate(webhook_id))


@router.post(
    "/{webhook_id}/ping",
    status_code=202,
    operation_id="ping_webhook",
    summary="Try out a webhook",
    responses=documented_response(202, "The message will be sent at once.") | problem_responses(404, 409),
)
def ping_webhook(webhook_id: WebhookIdParam, webhooks: Webhooks) -> schemas.Delivery:
    """Send it a message of type `ping`."""
    return schemas.Delivery.of(webhooks.ping(webhook_id))


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="list_deliveries",
    summary="List what a webhook was told",
    responses=problem_responses(404, 422),
)
def list_deliveries(
    webhook_id: WebhookIdParam, query: Annotated[DeliveryFilter, Query()], webhooks: Webhooks
) -> schemas.DeliveryList:
    """The newest messages first, for 30 days. If there are more, `next` leads to them."""
    page = read_page(
        lambda limit: webhooks.deliveries(webhook_id, limit=limit, after=query.after, statuses=query.status),
        query.limit,
    )
    data = [schemas.Delivery.of(delivery) for delivery in page.rows]
    return schemas.DeliveryList(data=data, has_more=page.has_more, next=page.next(lambda last: last.id))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    operation_id="redeliver",
    summary="Send a message again",
    responses=documented_response(202, "The message will be sent at once.") | problem_responses(404, 409),
)
def redeliver(webhook_id: WebhookIdParam, delivery_id: DeliveryIdParam, webhooks: Webhooks) -> schemas.Delivery:
    """Send it now, under the same `webhook-id`; it gets all its attempts again."""
    return schemas.Delivery.of(webhooks.redeliver(webhook_id, delivery_id))
