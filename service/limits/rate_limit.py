"""How often somebody may send a request: a token bucket each (RFC 9110's 429; the IETF's RateLimit headers)."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cachetools import LRUCache

MOST_BUCKETS = 10_000
MINUTE = 60


@dataclass(frozen=True)
class RateLimitResult:
    """Whether a request is allowed, how many more would be, and what the response should say of it."""

    per_minute: int
    remaining: float

    @property
    def is_allowed(self) -> bool:
        return self.remaining >= 0

    @property
    def wait_seconds(self) -> int:
        """Return whole seconds until the next request is allowed; at least 1."""
        return max(1, math.ceil((1 - max(self.remaining, 0)) * MINUTE / self.per_minute))

    @property
    def headers(self) -> Mapping[str, str]:
        """Return RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)."""
        full = math.ceil((self.per_minute - max(self.remaining, 0)) * MINUTE / self.per_minute)
        return {
            "RateLimit-Policy": f'"key";q={self.per_minute};w={MINUTE}',
            "RateLimit": f'"key";r={max(int(self.remaining), 0)};t={full}',
        }


class RateLimiter:
    """A bucket for each name, filled at the given rate, up to what a minute brings.

    Not for several threads. Of too many, those that were used longest ago are forgotten, which fills them.
    """

    def __init__(self, *, most: int = MOST_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens: LRUCache[str, tuple[float, float]] = LRUCache(most)

    def take(self, name: str, *, per_minute: int) -> RateLimitResult:
        """Take one request out of this bucket, which costs nothing if it is not allowed."""
        level = self._available_tokens(name, per_minute)
        self._tokens[name] = (level - 1 if level >= 1 else level, self._clock())
        return RateLimitResult(per_minute, level - 1)

    def is_empty(self, name: str, *, per_minute: int) -> bool:
        """Return whether the next request would be refused."""
        return self._available_tokens(name, per_minute) < 1

    def _available_tokens(self, name: str, per_minute: int) -> float:
        level, at = self._tokens.get(name, (per_minute, 0.0))
        return min(per_minute, level + (self._clock() - at) * per_minute / MINUTE)

    def __len__(self) -> int:
        return len(self._tokens)
