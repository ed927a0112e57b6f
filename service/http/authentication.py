"""On whose behalf a request acts: who shows a key acts for its tenant, within its scopes and limits."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Protocol

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.http.errors import KeyNotAccepted, TooManyRequests
from service.http.rate_limit import RateLimiter
from ted_jobs.api_keys.store import ApiKey, ApiKeyStore, Scope, ValidKey
from ted_jobs.api_keys.text import is_well_formed_key

log = structlog.get_logger()

KEY_CACHE_SECONDS = 2.0
"""How long a key is taken for valid without asking again: a revoked one is refused after this at the latest."""
MOST_CACHED_KEYS = 10_000
REFUSALS_PER_MINUTE = 60
"""How often one address may come without a valid key before it has to wait."""

AddBackgroundTask = Callable[[Callable[[], None]], None]
"""Takes what can be done after the request was answered."""


@dataclass(frozen=True)
class Principal:
    """Whose jobs a request is about, and the key it came with; none where the service is open to all."""

    tenant: str
    key: ApiKey | None = None

    @property
    def key_id(self) -> str | None:
        return self.key.id if self.key else None

    def may(self, scope: Scope) -> bool:
        """Whether the request may do what needs this scope."""
        return self.key is None or self.key.has_scope(scope)


class Authenticator(Protocol):
    """Tells who asks."""

    async def authenticate(self, request: Request, *, later: AddBackgroundTask) -> Principal:
        """Who asks. Raises KeyNotAccepted, TooManyRequests."""


class OpenAuthenticator:
    """Everybody is the tenant "default", without limits."""

    async def authenticate(self, request: Request, *, later: AddBackgroundTask) -> Principal:
        """The same for all."""
        return Principal("default")


class KeyAuthenticator:
    """Lets in who shows a valid key, as often as the key may ask. Lives in the event loop's thread."""

    def __init__(
        self, keys: ApiKeyStore, *, requests_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys, self._requests_per_minute, self._clock = keys, requests_per_minute, clock
        self._cached_keys: OrderedDict[str, tuple[ApiKey, float]] = OrderedDict()
        self._requests, self._refusals = RateLimiter(clock=clock), RateLimiter(clock=clock)

    async def authenticate(self, request: Request, *, later: AddBackgroundTask) -> Principal:
        """Who asks. The request's answer will say how much the key has left."""
        key = await self._key(request, later)
        limit = self._requests_per_minute if key.requests_per_minute is None else key.requests_per_minute
        if limit:
            draw = self._requests.take(key.id, per_minute=limit)
            request.state.headers = draw.headers
            if not draw.is_allowed:
                raise TooManyRequests(draw.wait_seconds)
        return Principal(key.tenant, key)

    async def _key(self, request: Request, later: AddBackgroundTask) -> ApiKey:
        text, address = bearer_key(request.headers.getlist("authorization")), _client_address(request)
        digest = self._keys.digest(text) if text else ""
        known, asked_at = self._cached_keys.get(digest, (None, float("-inf")))
        if known and self._clock() - asked_at < KEY_CACHE_SECONDS:
            return known
        # A key that was valid before is looked up at once, so that nobody else at its address can lock it out.
        if not known and self._refusals.is_empty(address, per_minute=REFUSALS_PER_MINUTE):
            raise TooManyRequests(self._refusals.take(address, per_minute=REFUSALS_PER_MINUTE).wait_seconds)
        holder = await run_in_threadpool(self._keys.valid_key, digest) if digest else None
        self._remember(digest, holder)
        if holder is None:
            self._refusals.take(address, per_minute=REFUSALS_PER_MINUTE)
            raise KeyNotAccepted
        if holder.use_unrecorded:
            later(lambda: self._note_use(holder.key))
        return holder.key

    def _remember(self, digest: str, holder: ValidKey | None) -> None:
        self._cached_keys.pop(digest, None)
        if holder:
            self._cached_keys[digest] = (holder.key, self._clock())
        if len(self._cached_keys) > MOST_CACHED_KEYS:
            self._cached_keys.popitem(last=False)

    def _note_use(self, key: ApiKey) -> None:
        try:
            self._keys.record_use(key.id)
        except DBAPIError as error:  # the next request tries again
            log.warning("a key's use was not noted", error=str(error.orig))


def bearer_key(headers: Sequence[str]) -> str | None:
    """The key in the one Authorization header; None where there is not exactly one, or no whole key in it."""
    scheme, _, text = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    return text if scheme.lower() == "bearer" and is_well_formed_key(text) else None


def _client_address(request: Request) -> str:
    """Where the request comes from: an IPv4 address, or the /64 that one user of IPv6 has to himself."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(IPv6Network((address, 64), strict=False)) if isinstance(address, IPv6Address) else host
