-- All state of one barrier, as one snapshot; a deadline that has passed is applied first.
-- KEYS: dirty index meta arrivals cycles waiters events
-- ARGV: arrivals_limit
-- REPLY: code next_change_ms now_ms arrived waiting fields_count (field value)*
-- REPLY: arrivals_count (arrival at_ms)*
-- GUARANTEE: consistent within itself; the list is bounded, the count is not.
--@include lib/codes
--@include lib/barrier

local limit = whole(1, 'arrivals_limit', 0)
local object = latch()
if not object.epoch then
  return {ABSENT, -1}
end
advance(object)
finish(object)
local fields = call('HGETALL', object.meta)
local rows = limit > 0 and call('ZRANGE', object.arrivals, 0, limit - 1, 'WITHSCORES') or {}
local reply = {
  READ, until_moment(deadline(object)), text(NOW), arrived(object), waiting(object), #fields / 2,
}
for _, value in ipairs(fields) do
  reply[#reply + 1] = value
end
reply[#reply + 1] = #rows / 2
for _, value in ipairs(rows) do
  reply[#reply + 1] = value
end
return reply
