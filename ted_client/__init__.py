"""What users import: an HTTP client, the ``ted`` command, adapters for training. Torch-free."""

from ted_client.client import Client, Job
from ted_client.errors import ClientError, TedApiError

__all__ = ["Client", "ClientError", "Job", "TedApiError"]
