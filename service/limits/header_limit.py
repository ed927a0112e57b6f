"""Headers that are too long to mean anything here are not parsed, whoever would have parsed them."""

from starlette.types import ASGIApp, Receive, Scope, Send

LONGEST_VALUE = 1024
"""Bytes of a header's value, and of all values of the header together."""
READ_AT_ANY_LENGTH = frozenset({b"idempotency-key"})
"""A submission whose key was ignored would be stored twice, so a key that is too long is refused where it is read."""


class HeaderLimit:
    """ASGI middleware. Passes requests on without the headers that are longer than ``LONGEST_VALUE``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and sum(len(value) for _, value in scope["headers"]) > LONGEST_VALUE:
            scope = {**scope, "headers": _without_long_headers(scope["headers"])}
        await self.app(scope, receive, send)


def _without_long_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    lengths: dict[bytes, int] = {}
    for name, value in headers:
        lengths[name] = lengths.get(name, 0) + len(value)
    return [header for header in headers if lengths[header[0]] <= LONGEST_VALUE or header[0] in READ_AT_ANY_LENGTH]
