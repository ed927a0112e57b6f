"""What users import: an HTTP client, the ``ted`` command, adapters for training. Torch-free."""

from ted_client.client import Client, Job, TedApiError

__all__ = ["Client", "Job", "TedApiError"]
