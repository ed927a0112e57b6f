"""One log line per request, under an id that the client gets too; and a response even to a defect."""

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import internal_error_response

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestLog:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log its status and duration."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = _request_id(scope)
        logged_send = _LoggedSend(send, scope["state"])
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            start = time.perf_counter()
            await self._call_app(scope, receive, logged_send)
            fields = {"method": scope["method"], "path": scope["path"], "status": logged_send.status}
            log.info("request", **fields, milliseconds=round((time.perf_counter() - start) * 1000, 1))

    async def _call_app(self, scope: Scope, receive: Receive, logged_send: "_LoggedSend") -> None:
        try:
            await self.app(scope, receive, logged_send)
        except ClientDisconnect:
            log.info("client went away", path=scope["path"])
        except Exception:
            log.exception("request failed", path=scope["path"])
            if logged_send.status:  # too late for a problem; the server cuts the connection
                raise
            await internal_error_response(Request(scope))(scope, receive, logged_send)


class _LoggedSend:
    """``send`` with the request's id and rate limit added to the headers; keeps the status."""

    def __init__(self, send: Send, state: Mapping[str, Any]) -> None:
        self.send = send
        self.state = state
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update({"X-Request-ID": self.state["request_id"], **self.state.get("headers", {})})
        await self.send(message)


def _request_id(scope: Scope) -> str:
    """Return the client's own id if it can be logged without harm, otherwise a new one."""
    client_id = Headers(scope=scope).get("x-request-id", "")
    return client_id if REQUEST_ID.fullmatch(client_id) else uuid.uuid4().hex
