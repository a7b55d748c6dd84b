-- All state of one barrier, as one snapshot; a deadline that has passed is applied first.
-- KEYS: dirty index meta waiters events arrivals cycles
-- ARGV: arrivals_limit waiters_limit
-- REPLY: code next_change_ms now_ms arrived waiting fields_count (field value)*
-- REPLY: arrivals_count (arrival at_ms)*
-- REPLY: waiters_count (request who)*
-- GUARANTEE: consistent within itself; the list is bounded, the count is not.
--@include lib/codes
--@include lib/barrier
--@include lib/snapshot

local limit, waiters_limit = whole(1, 'arrivals_limit', 0), whole(2, 'waiters_limit', 0)
local object = latch()
if not object.epoch then
  return {ABSENT, -1}
end
advance(object)
finish(object)
local head = {READ, until_moment(deadline(object)), text(NOW), arrived(object), waiting(object)}
return snapshot(object, head, object.arrivals, limit, waiters_limit)
