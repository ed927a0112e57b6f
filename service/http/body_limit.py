"""No request body grows beyond the limit: it is refused while it arrives, whether or not it announced its size."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.errors import BodyTooLarge


class BodyLimit:
    """ASGI middleware. Reading a body that is too long raises BodyTooLarge in whoever reads it."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a ``receive`` that counts."""
        receive = self._counting_receive(scope, receive) if scope["type"] == "http" else receive
        await self.app(scope, receive, send)

    def _counting_receive(self, scope: Scope, receive: Receive) -> Receive:
        announced = Headers(scope=scope).get("content-length", "0")
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            self._check(int(announced) if announced.isdecimal() else 0)
            message = await receive()
            received += len(message.get("body", b""))
            self._check(received)
            return message

        return receive_counted

    def _check(self, size: int) -> None:
        if size > self.limit:
            raise BodyTooLarge(f"The limit is {self.limit} bytes")
