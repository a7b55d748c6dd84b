-- All state of one gate, as one snapshot; a deadline that has passed is applied first.
-- KEYS: dirty index meta waiters events
-- ARGV: waiters_limit
-- REPLY: code next_change_ms now_ms waiting fields_count (field value)*
-- REPLY: waiters_count (request who)*
-- GUARANTEE: consistent within itself; the list is bounded, the count is not.
--@include lib/codes
--@include lib/gate
--@include lib/snapshot

local waiters_limit = whole(1, 'waiters_limit', 0)
local object = latch()
if not object.epoch then
  return {ABSENT, -1}
end
advance(object)
finish(object)
local head = {READ, until_moment(deadline(object)), text(NOW), waiting(object)}
return snapshot(object, head, nil, 0, waiters_limit)
