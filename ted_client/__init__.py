"""The Python client of a TED service: blocking, asynchronous, and an adapter for training. It loads no torch."""

from ted_client.async_client import AsyncClient, AsyncJob
from ted_client.client import Client, Job
from ted_client.errors import ClientError, ServiceUnreachable, TedApiError
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
