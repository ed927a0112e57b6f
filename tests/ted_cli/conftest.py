"""The commands are tested against the service that the clients are tested against."""

from tests.ted_client.conftest import engine, leases, processes, settings, share_processes, store, url

__all__ = ["engine", "leases", "processes", "settings", "share_processes", "store", "url"]
