"""What users import: HTTP clients, the ``ted`` command, adapters for training. Torch-free."""

from ted_client.async_client import AsyncClient
from ted_client.client import Client
from ted_client.errors import ClientError, ServiceUnreachable, TedApiError
from ted_client.job import AsyncJob, Job
from ted_client.retry import RetryPolicy

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ClientError",
    "Job",
    "RetryPolicy",
    "ServiceUnreachable",
    "TedApiError",
]
