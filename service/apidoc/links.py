"""Where an answer leads: OpenAPI links, by which a program walks from one operation to the next."""

from collections.abc import Iterator, Mapping
from typing import Any

OpenApiObject = dict[str, Any]
OperationIds = tuple[str, ...]

ID, NAME = "$response.body#/id", "$response.body#/name"
FIRST_ID = "$response.body#/data/0/id"

JOB_OPERATIONS: OperationIds = (
    "read_job",
    "read_queue",
    "cancel_job",
    "retry_job",
    "list_job_events",
    "download_manifest",
    "download_decisions",
    "list_suspects",
    "read_report",
    "delete_job",
)
WEBHOOK_OPERATIONS: OperationIds = (
    "read_webhook",
    "change_webhook",
    "rotate_webhook_secret",
    "ping_webhook",
    "list_deliveries",
    "delete_webhook",
)

LINKS: Mapping[str, tuple[str, str, str, OperationIds]] = {
    "submit_job": ("202", "job_id", ID, JOB_OPERATIONS),
    "retry_job": ("202", "job_id", ID, JOB_OPERATIONS),
    "list_jobs": ("200", "job_id", FIRST_ID, ("read_job", "list_job_events")),
    "register_dataset": ("201", "name", NAME, ("read_dataset", "forget_dataset")),
    "register_proxy": ("201", "name", NAME, ("read_proxy", "forget_proxy")),
    "register_webhook": ("201", "webhook_id", ID, WEBHOOK_OPERATIONS),
    "list_webhooks": ("200", "webhook_id", FIRST_ID, ("read_webhook", "list_deliveries")),
}
"""Operation → the status whose answer leads on, the parameter it provides, from where, and to which operations."""


def add_links(paths: OpenApiObject) -> None:
    """Write the links into the document's operations."""
    operations = {operation["operationId"]: operation for operation in _operations(paths)}
    for name, (status, parameter, source, steps) in LINKS.items():
        operations[name]["responses"][status]["links"] = {
            step: {"operationId": step, "parameters": {parameter: source}} for step in steps
        }


def _operations(paths: OpenApiObject) -> Iterator[OpenApiObject]:
    return (operation for methods in paths.values() for operation in methods.values())
