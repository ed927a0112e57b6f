"""What AsyncClient can be asked about names and webhooks."""

from collections.abc import AsyncIterator, Sequence

from ted_client.endpoints import Endpoints, without_none
from ted_client.flow import JsonObject, api_path
from ted_client.transport import AsyncTransport


class AsyncRegistryClient:
    """Datasets, proxies and webhooks of one tenant."""

    _transport: AsyncTransport
    _endpoints: Endpoints

    # --- names --------------------------------------------------------------------------------------------------------

    async def register_dataset(self, name: str, dataset: JsonObject) -> JsonObject:
        """The dataset, once it was checked; jobs may then say ``"dataset": {"name": …}``."""
        return await self._transport.result(self._endpoints.create(api_path("datasets"), {**dataset, "name": name}))

    def datasets(self) -> AsyncIterator[JsonObject]:
        """Registered datasets, by name."""
        return self._transport.emitted(self._endpoints.list_pages(api_path("datasets")))

    async def dataset(self, name: str) -> JsonObject:
        """What the name stands for, and whether that has changed since."""
        return await self._transport.result(self._endpoints.fetch("GET", api_path("datasets", name)))

    async def forget_dataset(self, name: str) -> None:
        """Free the name; the dataset itself, and jobs that used it, stay as they are."""
        await self._transport.result(self._endpoints.delete(api_path("datasets", name)))

    async def register_proxy(self, name: str, proxy: JsonObject) -> JsonObject:
        """An installed proxy with settings; jobs may then say ``"proxy": {"name": …}``."""
        return await self._transport.result(self._endpoints.create(api_path("proxies"), {"name": name, "proxy": proxy}))

    async def proxies(self) -> Sequence[JsonObject]:
        """All proxies that a job may name."""
        return await self._transport.result(self._endpoints.list_all(api_path("proxies")))

    async def proxy(self, name: str) -> JsonObject:
        """What the name stands for."""
        return await self._transport.result(self._endpoints.fetch("GET", api_path("proxies", name)))

    async def forget_proxy(self, name: str) -> None:
        """Free the name."""
        await self._transport.result(self._endpoints.delete(api_path("proxies", name)))

    # --- webhooks -----------------------------------------------------------------------------------------------------

    async def register_webhook(self, url: str, *, events: Sequence[str] | None = None) -> JsonObject:
        """The webhook with its ``secret``, which is shown this once; it hears of endings unless told otherwise."""
        return await self._transport.result(
            self._endpoints.create(api_path("webhooks"), without_none(url=url, events=events))
        )

    def webhooks(self) -> AsyncIterator[JsonObject]:
        """Registered webhooks, newest first."""
        return self._transport.emitted(self._endpoints.list_pages(api_path("webhooks")))

    async def webhook(self, webhook_id: str) -> JsonObject:
        """The webhook, and why it is disabled where it is."""
        return await self._transport.result(self._endpoints.fetch("GET", api_path("webhooks", webhook_id)))

    async def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> JsonObject:
        """The webhook with another URL, other events, or on or off; what is not said stays as it is."""
        change = without_none(url=url, events=events, enabled=enabled)
        return await self._transport.result(
            self._endpoints.fetch("PATCH", api_path("webhooks", webhook_id), body=change)
        )

    async def delete_webhook(self, webhook_id: str) -> None:
        """Tell it nothing any more, and forget what it was told."""
        await self._transport.result(self._endpoints.delete(api_path("webhooks", webhook_id)))

    async def rotate_webhook(self, webhook_id: str) -> JsonObject:
        """The webhook with a new ``secret``, shown this once; the former one signs along for a day."""
        return await self._transport.result(self._endpoints.create(api_path("webhooks", webhook_id, "rotate")))

    async def ping_webhook(self, webhook_id: str) -> JsonObject:
        """The delivery of a message of type ``ping``."""
        return await self._transport.result(self._endpoints.create(api_path("webhooks", webhook_id, "ping")))

    def deliveries(self, webhook_id: str, *, status: Sequence[str] = ()) -> AsyncIterator[JsonObject]:
        """What the webhook was told in the last 30 days, newest first."""
        return self._transport.emitted(
            self._endpoints.list_pages(api_path("webhooks", webhook_id, "deliveries"), status=list(status))
        )

    async def redeliver(self, webhook_id: str, delivery_id: str) -> JsonObject:
        """The delivery, about to be tried again, under the same id."""
        return await self._transport.result(
            self._endpoints.create(api_path("webhooks", webhook_id, "deliveries", delivery_id, "redeliver"))
        )
