"""How often somebody may ask: a token bucket each (RFC 9110's 429; RateLimit headers as in the IETF's draft)."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOST_BUCKETS = 10_000
MINUTE = 60


@dataclass(frozen=True)
class RateLimitResult:
    """What came of asking: whether it was granted, how many more would be, and what the answer should say of it."""

    per_minute: int
    remaining: float

    @property
    def is_allowed(self) -> bool:
        return self.remaining >= 0

    @property
    def wait_seconds(self) -> int:
        """Whole seconds until the next request is granted; at least 1."""
        return max(1, math.ceil((1 - max(self.remaining, 0)) * MINUTE / self.per_minute))

    @property
    def headers(self) -> Mapping[str, str]:
        """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)."""
        full = math.ceil((self.per_minute - max(self.remaining, 0)) * MINUTE / self.per_minute)
        return {
            "RateLimit-Policy": f'"key";q={self.per_minute};w={MINUTE}',
            "RateLimit": f'"key";r={max(int(self.remaining), 0)};t={full}',
        }


class RateLimiter:
    """A bucket for each name, filled at the rate that is asked for, up to what a minute brings.

    Not for several threads. Of too many, those that were asked longest ago are forgotten, which fills them.
    """

    def __init__(self, *, most: int = MOST_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, *, per_minute: int) -> RateLimitResult:
        """One request of this bucket, which costs nothing where it is not granted."""
        level = self._available_tokens(name, per_minute)
        self._tokens[name] = (level - 1 if level >= 1 else level, self._clock())
        self._tokens.move_to_end(name)
        if len(self._tokens) > self._most:
            self._tokens.popitem(last=False)
        return RateLimitResult(per_minute, level - 1)

    def is_empty(self, name: str, *, per_minute: int) -> bool:
        """Whether the next request would not be granted."""
        return self._available_tokens(name, per_minute) < 1

    def _available_tokens(self, name: str, per_minute: int) -> float:
        level, at = self._tokens.get(name, (per_minute, 0.0))
        return min(per_minute, level + (self._clock() - at) * per_minute / MINUTE)

    def __len__(self) -> int:
        return len(self._tokens)
