"""``ted webhooks``: URLs that are told what happens to jobs."""

from typing import Annotated

import typer

from ted_cli.options import JsonOption, client
from ted_cli.terminal import print_records, print_text
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
) -> None:
    """Register a webhook, and print its id and its secret, which is shown this once."""
    with client(context) as service:
        _print_secret(service.register_webhook(url, events=event))


def _print_secret(webhook: JsonObject) -> None:
    typer.echo(f"{webhook['id']} {webhook['secret']}")


@app.command(name="list")
def list_webhooks(context: typer.Context, json_: JsonOption = False) -> None:
    """List webhooks, newest first."""
    with client(context) as service:
        print_records(service.webhooks(), COLUMNS, json_=json_)


@app.command()
def remove(context: typer.Context, webhook_id: WebhookIdArgument) -> None:
    """Delete a webhook."""
    with client(context) as service:
        service.delete_webhook(webhook_id)
    print_text(f"{webhook_id} is deleted")


@app.command()
def rotate(context: typer.Context, webhook_id: WebhookIdArgument) -> None:
    """Replace a webhook's secret, and print the new one."""
    with client(context) as service:
        _print_secret(service.rotate_webhook(webhook_id))


@app.command()
def ping(context: typer.Context, webhook_id: WebhookIdArgument) -> None:
    """Send a webhook a message of type ping."""
    with client(context) as service:
        print_text(f"{service.ping_webhook(webhook_id)['id']} is on its way")


@app.command()
def enable(context: typer.Context, webhook_id: WebhookIdArgument) -> None:
    """Send again to a webhook that was disabled."""
    with client(context) as service:
        service.change_webhook(webhook_id, enabled=True)
    print_text(f"{webhook_id} is enabled")


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
) -> None:
    """Send a message again."""
    with client(context) as service:
        print_text(f"{service.redeliver(webhook_id, delivery_id)['id']} is on its way")
