"""The Python client of a TED service: blocking, asynchronous, and an adapter for training. It loads no torch.

What it offers is imported when it is used: httpx alone takes longer than all the rest of ``ted --help``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ted_client.async_client import AsyncClient, AsyncJob
    from ted_client.client import Client, Job
    from ted_client.errors import ClientError, ServiceUnreachable, TedApiError
    from ted_client.retry import RetryPolicy

    __version__: str

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ClientError",
    "Job",
    "RetryPolicy",
    "ServiceUnreachable",
    "TedApiError",
    "__version__",
]
MODULES = {
    "AsyncClient": "async_client",
    "AsyncJob": "async_client",
    "Client": "client",
    "ClientError": "errors",
    "Job": "client",
    "RetryPolicy": "retry",
    "ServiceUnreachable": "errors",
    "TedApiError": "errors",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("ted-coreset")
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
