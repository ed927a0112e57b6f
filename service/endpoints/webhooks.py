"""Webhooks: register, change, delete, and see what they were told."""

import re
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.apidoc.document import documented_response, json_request_body, problem_responses
from service.http.bodies import json_response, parse_body
from service.http.parameters import JsonBody
from service.http.request import AuthenticatedRequest, AuthenticatedRoute
from service.schemas import webhooks as schemas
from ted_jobs.errors import DeliveryNotFound, WebhookNotFound
from ted_jobs.settings import Settings
from ted_jobs.webhooks.deliveries import DeliveryStatus
from ted_jobs.webhooks.store import WebhookStore
from ted_jobs.webhooks.targets import WebhookTarget, allowed_addresses

log = structlog.get_logger()
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=AuthenticatedRoute)

WEBHOOK_ID, DELIVERY_ID = re.compile(r"wh_[0-9a-f]{28}"), re.compile(r"msg_[0-9a-f]{28}")


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


async def _tenant_webhooks(visit: AuthenticatedRequest) -> WebhookStore:
    return WebhookStore(visit.app_state.store.engine, tenant=visit.tenant)


WebhookIdParam = Annotated[str, Depends(_webhook_id)]
DeliveryIdParam = Annotated[str, Depends(_delivery_id)]
TenantWebhooks = Annotated[WebhookStore, Depends(_tenant_webhooks)]


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
    response_model=schemas.WebhookWithSecret,
    operation_id="register_webhook",
    summary="Register a webhook",
    openapi_extra=json_request_body(schemas.NewWebhook),
    responses=documented_response(
        201, "The webhook, with its secret, which is shown this once.", Location="The webhook."
    )
    | problem_responses(400, 409, 413, 415, 422),
)
def register_webhook(visit: AuthenticatedRequest, body: JsonBody, mine: TenantWebhooks) -> Response:
    """Have a URL told what happens to your jobs, from now on, signed as Standard Webhooks has it."""
    asked = parse_body(schemas.NewWebhook, body)
    webhook = mine.register(_validated_url(asked.url, visit.app_state.settings), asked.events)
    log.info("webhook registered", webhook=webhook.id)
    location = {"Location": f"/v1/webhooks/{webhook.id}"}
    return json_response(schemas.WebhookWithSecret.of(webhook), status=201, headers=location)


def _validated_url(url: str, config: Settings) -> str:
    """The URL as it is stored, once it leads where it may. Raises TargetRefused."""
    target = WebhookTarget.parse(url)
    allowed_addresses(target, reach=config.webhook_targets)
    return str(target)


@router.get(
    "",
    response_model=schemas.WebhookList,
    operation_id="list_webhooks",
    summary="List webhooks",
    responses=problem_responses(422),
)
def list_webhooks(wanted: Annotated[WebhookPage, Query()], mine: TenantWebhooks) -> Response:
    """The newest webhooks first. Where there are more, `next` leads to them."""
    found = mine.webhooks(limit=wanted.limit + 1, after=wanted.after)
    data = [schemas.Webhook.of(webhook) for webhook in found[: wanted.limit]]
    return json_response(schemas.WebhookList(data=data, **_next_page(found, wanted.limit)))


def _next_page(found: list[Any], limit: int) -> dict[str, Any]:
    more = len(found) > limit
    return {"has_more": more, "next": found[limit - 1].id if more else None}


@router.get(
    "/{webhook_id}",
    response_model=schemas.Webhook,
    operation_id="read_webhook",
    summary="Read a webhook",
    responses=problem_responses(404),
)
def read_webhook(webhook_id: WebhookIdParam, mine: TenantWebhooks) -> Response:
    """The webhook, and why it is disabled where it is. Its secret is not shown again."""
    return json_response(schemas.Webhook.of(mine.webhook(webhook_id)))


@router.patch(
    "/{webhook_id}",
    response_model=schemas.Webhook,
    operation_id="change_webhook",
    summary="Change a webhook",
    openapi_extra=json_request_body(schemas.WebhookChange),
    responses=problem_responses(400, 404, 413, 415, 422),
)
def change_webhook(
    visit: AuthenticatedRequest, webhook_id: WebhookIdParam, body: JsonBody, mine: TenantWebhooks
) -> Response:
    """Another URL, other events, or on and off.

    Messages that wait go to the new URL. What happens while a webhook is disabled it is never told, and what it was
    still to be told has failed; failed messages can be redelivered.
    """
    asked = parse_body(schemas.WebhookChange, body)
    url = None if asked.url is None else _validated_url(asked.url, visit.app_state.settings)
    return json_response(
        schemas.Webhook.of(mine.change(webhook_id, url=url, events=asked.events, enabled=asked.enabled))
    )


@router.delete(
    "/{webhook_id}",
    status_code=204,
    operation_id="delete_webhook",
    summary="Delete a webhook",
    responses=documented_response(204, "The webhook is gone, with its deliveries.") | problem_responses(404),
)
def delete_webhook(webhook_id: WebhookIdParam, mine: TenantWebhooks) -> Response:
    """Tell it nothing any more, and forget what it was told. A message on its way may still arrive."""
    mine.delete(webhook_id)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate",
    response_model=schemas.WebhookWithSecret,
    operation_id="rotate_webhook_secret",
    summary="Replace a webhook's secret",
    responses=problem_responses(404),
)
def rotate_webhook_secret(webhook_id: WebhookIdParam, mine: TenantWebhooks) -> Response:
    """A new secret, shown this once. For a day messages carry a signature by the former one, too."""
    return json_response(schemas.WebhookWithSecret.of(mine.rotate(webhook_id)))


@router.post(
    "/{webhook_id}/ping",
    status_code=202,
    response_model=schemas.Delivery,
    operation_id="ping_webhook",
    summary="Try out a webhook",
    responses=documented_response(202, "The message will be sent at once.") | problem_responses(404, 409),
)
def ping_webhook(webhook_id: WebhookIdParam, mine: TenantWebhooks) -> Response:
    """Send it a message of type `ping`."""
    return json_response(schemas.Delivery.of(mine.ping(webhook_id)), status=202)


@router.get(
    "/{webhook_id}/deliveries",
    response_model=schemas.DeliveryList,
    operation_id="list_deliveries",
    summary="List what a webhook was told",
    responses=problem_responses(404, 422),
)
def list_deliveries(
    webhook_id: WebhookIdParam, wanted: Annotated[DeliveryFilter, Query()], mine: TenantWebhooks
) -> Response:
    """The newest messages first, for 30 days. Where there are more, `next` leads to them."""
    found = mine.deliveries(webhook_id, limit=wanted.limit + 1, after=wanted.after, statuses=wanted.status)
    data = [schemas.Delivery.of(delivery) for delivery in found[: wanted.limit]]
    return json_response(schemas.DeliveryList(data=data, **_next_page(found, wanted.limit)))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_model=schemas.Delivery,
    operation_id="redeliver",
    summary="Send a message again",
    responses=documented_response(202, "The message will be sent at once.") | problem_responses(404, 409),
)
def redeliver(webhook_id: WebhookIdParam, delivery_id: DeliveryIdParam, mine: TenantWebhooks) -> Response:
    """Send it now, under the same `webhook-id`; it gets all its attempts again."""
    return json_response(schemas.Delivery.of(mine.redeliver(webhook_id, delivery_id)), status=202)
