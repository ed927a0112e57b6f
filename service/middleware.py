"""What happens around every request: an id, a bounded body, a log line. Plain ASGI, so that nothing is buffered."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives every request an id, the client's own where it is a sane one, and logs how it went."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        request_id = offered if REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
                _log(scope, message["status"], seconds=time.perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            await self.app(scope, receive, send_with_id)


def _log(scope: Scope, status: int, *, seconds: float) -> None:
    log.debug("answered", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))


class BoundedBody:
    """Refuses a request body past the limit, announced or not, without reading the rest of it."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        received = int(announced) if announced.isdigit() and int(announced) > self.limit else 0

        async def bounded() -> Message:
            nonlocal received
            message = {"type": "http.request"} if received > self.limit else await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise HTTPException(413, f"The body may have at most {self.limit} bytes.")
            return message

        await self.app(scope, bounded, send)
