"""The commands are tested against the service that the clients are tested against."""

from tests.ted_client.conftest import engine, leases, settings, store, url

__all__ = ["engine", "leases", "settings", "store", "url"]
