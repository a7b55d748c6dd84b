"""Time that tests move: patched for fakeredis; on a real server everything stored grows older instead.

FakeClock(monkeypatch)     stands still between moves, and can be set back; for fakeredis
AgeingClock(client)        makes all that is stored as much older, by shifting every moment and TTL; for real servers

Both have `now_ms()`, the server's time, and `advance(ms)`. A real server's own clock runs on meanwhile: a test that
wants to be just before or just after a moment keeps a distance of a second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import pytest
    import redis

__all__ = ["AgeingClock", "Clock", "FakeClock"]

# Shifts every moment of keys.py by ARGV[1] ms into the past: TTLs, scores that are moments, fields that are moments.
_AGE: Final = """#!lua flags=allow-oom
local shift = tonumber(ARGV[1])
local function text(number) return string.format('%.0f', number) end
local moment_scores = {leases = true, ageing = true, arrivals = true, waiters = true, dirty = true, awaited = true}
local moment_fields = {
  'calm', 'watched', 'created', 'deadline', 'opened', 'failed', 'progress', 'since', 'aged', 'look', 'probed',
  'evaluated', 'asked',
}

for _, key in ipairs(redis.call('KEYS', 'konductor:*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'zset' and moment_scores[string.match(key, '[^:]+$')] then
    local rows = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #rows, 2 do
      if rows[i + 1] ~= 'inf' then
        redis.call('ZADD', key, text(tonumber(rows[i + 1]) - shift), rows[i])
      end
    end
  elseif kind == 'hash' then
    for _, field in ipairs(moment_fields) do
      local value = tonumber(redis.call('HGET', key, field) or '')
      if value and value > 0 then
        redis.call('HSET', key, field, text(value - shift))
      end
    end
  end
  local expires = redis.call('PEXPIRETIME', key)
  if expires >= 0 then
    redis.call('PEXPIREAT', key, text(expires - shift))
  end
end
"""


class Clock(Protocol):
    """The server's time, and a way to let it pass."""

    def now_ms(self) -> int: ...

    def advance(self, ms: int) -> None: ...


class FakeClock:
    """What fakeredis takes for the time: it stands still but for `advance`, which may also go back."""

    START: Final = 1_800_000_000_000

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now_ms = self.START
        monkeypatch.setattr(time, "time", lambda: self._now_ms / 1000)

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, ms: int) -> None:
        self._now_ms += ms


class AgeingClock:
    """A real server's time; `advance` makes everything older by as much."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def now_ms(self) -> int:
        reply: Any = self._client.time()
        return int(reply[0]) * 1000 + int(reply[1]) // 1000

    def advance(self, ms: int) -> None:
        self._client.eval(_AGE, 0, str(ms))
