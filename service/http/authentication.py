"""On whose behalf a request acts: whoever shows a key acts for its tenant, within its scopes and limits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from cachetools import LRUCache
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.http.errors import KeyNotAccepted, TooManyRequests
from service.limits.addresses import client_network
from service.limits.rate_limit import RateLimiter
from ted_jobs.api_keys.store import ApiKey, ApiKeyStore, Scope, ValidKey
from ted_jobs.api_keys.text import is_well_formed_key

log = structlog.get_logger()

KEY_CACHE_SECONDS = 2.0
"""How long a key is taken for valid without another look: a revoked one is refused after this at the latest."""
MOST_CACHED_KEYS = 10_000
REFUSALS_PER_MINUTE = 60
"""How often one address may come without a valid key before it has to wait."""

AddBackgroundTask = Callable[[Callable[[], None]], None]
"""Takes what can be done after the request was answered."""


@dataclass(frozen=True)
class Principal:
    """Whose jobs a request is about, and the key it came with; None if the service is open to all."""

    tenant: str
    key: ApiKey | None = None

    @property
    def key_id(self) -> str | None:
        return self.key.id if self.key else None

    @property
    def quota_name(self) -> str:
        """Return under which name what the caller takes is counted: the key's, as far as there is one."""
        return self.key_id or self.tenant

    def may(self, scope: Scope) -> bool:
        """Return whether the request may do what needs this scope."""
        return self.key is None or self.key.has_scope(scope)


class Authenticator(Protocol):
    """Finds out on whose behalf a request acts."""

    async def authenticate(self, request: Request, *, later: AddBackgroundTask) -> Principal:
        """Return on whose behalf the request acts. Raises KeyNotAccepted, TooManyRequests."""


class OpenAuthenticator:
    """Everybody is the tenant "default", without limits."""

    async def authenticate(self, request: Request, *, later: AddBackgroundTask) -> Principal:
        """Return the same for all."""
        return Principal("default")


@dataclass(frozen=True)
class CachedKey:
    """A key that was valid when it was looked up."""

    key: ApiKey
    looked_up_at: float


class KeyAuthenticator:
    """Lets in who shows a valid key, as often as the key may ask. Lives in the event loop's thread."""

    def __init__(
        self, keys: ApiKeyStore, *, requests_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._requests_per_minute = requests_per_minute
        self._clock = clock
        self._cached_keys: LRUCache[str, CachedKey] = LRUCache(MOST_CACHED_KEYS)
        self._requests = RateLimiter(clock=clock)
        self._refusals = RateLimiter(clock=clock)

    async def authenticate(self, request: Request, *, later: AddBackgroundTask) -> Principal:
        """Return the tenant of the request's key. The response will say how much the key has left."""
        key = await self._key(request, later)
        limit = self._requests_per_minute if key.requests_per_minute is None else key.requests_per_minute
        if limit:
            result = self._requests.take(key.id, per_minute=limit)
            request.state.headers = result.headers
            if not result.is_allowed:
                raise TooManyRequests(result.wait_seconds)
        return Principal(key.tenant, key)

    async def _key(self, request: Request, later: AddBackgroundTask) -> ApiKey:
        text = bearer_key(request.headers.getlist("authorization"))
        digest = self._keys.digest(text) if text else ""
        cached: CachedKey | None = self._cached_keys.get(digest)
        if cached and self._clock() - cached.looked_up_at < KEY_CACHE_SECONDS:
            return cached.key
        address = _client_address(request)
        # A key that was valid before is looked up at once, so that nobody else at its address can lock it out.
        if not cached and self._refusals.is_empty(address, per_minute=REFUSALS_PER_MINUTE):
            raise TooManyRequests(self._refusals.take(address, per_minute=REFUSALS_PER_MINUTE).wait_seconds)
        valid = await run_in_threadpool(self._keys.valid_key, digest) if digest else None
        self._remember(digest, valid)
        if valid is None:
            self._refusals.take(address, per_minute=REFUSALS_PER_MINUTE)
            raise KeyNotAccepted
        if valid.use_unrecorded:
            later(lambda: self._record_use(valid.key))
        return valid.key

    def _remember(self, digest: str, valid: ValidKey | None) -> None:
        if valid:
            self._cached_keys[digest] = CachedKey(valid.key, self._clock())
        else:
            self._cached_keys.pop(digest, None)

    def _record_use(self, key: ApiKey) -> None:
        try:
            self._keys.record_use(key.id)
        except DBAPIError as error:  # the next request tries again
            log.warning("a key's use was not noted", error=str(error.orig))


def bearer_key(headers: Sequence[str]) -> str | None:
    """Return the key in the one Authorization header; None if there is not exactly one, or no whole key in it."""
    scheme, _, text = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    return text if scheme.lower() == "bearer" and is_well_formed_key(text) else None


def _client_address(request: Request) -> str:
    return client_network(request.client.host if request.client else "")
