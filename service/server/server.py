"""uvicorn's server, with limits on connections and on how long they take."""

import asyncio
import logging
import socket
from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from service.server.connections import ConnectionTable
from service.server.limits import ServerLimits
from service.server.protocol import LimitedProtocol

logger = logging.getLogger(__name__)

GRACE_SECONDS = 10
ACCEPTED_AT_ONCE = 64
"""Connections that are accepted before any of them is counted: asyncio takes the backlog for that as well."""
BACKLOG = 2048
"""Connections that the kernel keeps until they are accepted."""
TICKS_PER_CHECK = 10
"""uvicorn's ticks, ten a second, from one look at all connections to the next."""
SECONDS_BETWEEN_WARNINGS = 60
ACCEPT_FAILED = "socket.accept() out of system resource"
"""What asyncio says when no more files can be opened."""


class TedServer(uvicorn.Server):
    """Serves the app until the process is asked to stop."""

    def __init__(self, app: FastAPI, *, host: str, port: int, limits: ServerLimits) -> None:
        self.table = ConnectionTable(most=limits.connections, most_per_address=limits.connections_per_address)
        self._warned_at = float("-inf")
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=cast(Any, partial(LimitedProtocol, limits=limits, table=self.table)),
                ws="none",
                backlog=ACCEPTED_AT_ONCE,
                timeout_keep_alive=cast(int, limits.idle),
                timeout_graceful_shutdown=GRACE_SECONDS,
                # Requests are logged by RequestLog, under their id; uvicorn's other records go where ours go.
                log_config=None,
                access_log=False,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        asyncio.get_running_loop().set_exception_handler(self._handle_loop_error)
        await super().startup(sockets)
        for listener in [listener for server in self.servers for listener in server.sockets]:
            with listener.dup() as again:
                again.listen(BACKLOG)
        if self.started:
            cast(FastAPI, self.config.app).state.inspections.warm_up()

    async def on_tick(self, counter: int) -> bool:
        """End what takes too long; return whether to stop."""
        if counter % TICKS_PER_CHECK == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast(LimitedProtocol, connection).check_time(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening and finish what was begun. Streams have no end of their own, and would use up the grace."""
        cast(FastAPI, self.config.app).state.streams.close()
        await super().shutdown(sockets)

    def _handle_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != ACCEPT_FAILED:
            loop.default_exception_handler(context)
            return
        self.table.close_one()
        if loop.time() - self._warned_at > SECONDS_BETWEEN_WARNINGS:
            self._warned_at = loop.time()
            logger.error("no more files can be opened, so connections wait: %s", context.get("exception"))
