"""``ted webhooks``: URLs that are told what happens to jobs."""

from typing import Annotated

import typer

from ted_cli.options import JsonOption, client
from ted_cli.terminal import print_outcome, print_records
from ted_client.flow import JsonObject

app = typer.Typer(help="URLs that are told what happens to jobs.", no_args_is_help=True)
WebhookIdArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]
COLUMNS = ("id", "url", "events", "enabled", "disabled_reason")
DELIVERY_COLUMNS = ("id", "type", "job_id", "status", "attempt", "status_code", "error")


@app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the messages go.")],
    event: Annotated[list[str] | None, typer.Option(help="Only this, as job.failed; may be repeated.")] = None,
    json_: JsonOption = False,
) -> None:
    """Register a webhook, and print its id and its secret, which is shown this once."""
    with client(context) as service:
        _print_secret(service.register_webhook(url, events=event), json_=json_)


def _print_secret(webhook: JsonObject, *, json_: bool) -> None:
    print_outcome(f"{webhook['id']} {webhook['secret']}", webhook, json_=json_)


@app.command(name="list")
def list_webhooks(context: typer.Context, json_: JsonOption = False) -> None:
    """List webhooks, newest first."""
    with client(context) as service:
        print_records(service.webhooks(), COLUMNS, json_=json_)


@app.command()
def remove(context: typer.Context, webhook_id: WebhookIdArgument, json_: JsonOption = False) -> None:
    """Delete a webhook."""
    with client(context) as service:
        service.delete_webhook(webhook_id)
    print_outcome(f"{webhook_id} is deleted", {"id": webhook_id, "deleted": True}, json_=json_)


@app.command()
def rotate(context: typer.Context, webhook_id: WebhookIdArgument, json_: JsonOption = False) -> None:
    """Replace a webhook's secret, and print the new one."""
    with client(context) as service:
        _print_secret(service.rotate_webhook(webhook_id), json_=json_)


@app.command()
def ping(context: typer.Context, webhook_id: WebhookIdArgument, json_: JsonOption = False) -> None:
    """Send a webhook a message of type ping."""
    with client(context) as service:
        _print_sent(service.ping_webhook(webhook_id), json_=json_)


def _print_sent(delivery: JsonObject, *, json_: bool) -> None:
    print_outcome(f"{delivery['id']} is on its way", delivery, json_=json_)


@app.command()
def enable(context: typer.Context, webhook_id: WebhookIdArgument, json_: JsonOption = False) -> None:
    """Send again to a webhook that was disabled."""
    with client(context) as service:
        changed = service.change_webhook(webhook_id, enabled=True)
    print_outcome(f"{webhook_id} is enabled", changed, json_=json_)


@app.command()
def deliveries(
    context: typer.Context,
    webhook_id: WebhookIdArgument,
    status: Annotated[list[str] | None, typer.Option(help="Only in this status; may be repeated.")] = None,
    json_: JsonOption = False,
) -> None:
    """List what a webhook was told."""
    with client(context) as service:
        print_records(service.deliveries(webhook_id, status=status or ()), DELIVERY_COLUMNS, json_=json_)


@app.command()
def redeliver(
    context: typer.Context,
    webhook_id: WebhookIdArgument,
    delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id.")],
    json_: JsonOption = False,
) -> None:
    """Send a message again."""
    with client(context) as service:
        _print_sent(service.redeliver(webhook_id, delivery_id), json_=json_)
