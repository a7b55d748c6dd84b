-- All state of one wait group, as one snapshot.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: members_limit waiters_limit
-- REPLY: code next_change_ms now_ms counter waiting members finished fields_count (field value)*
-- REPLY: members_count (member at_ms)*
-- REPLY: waiters_count (request who)*
-- GUARANTEE: consistent within itself; the list is bounded, the count is not.
--@include lib/codes
--@include lib/waitgroup
--@include lib/snapshot

local limit, waiters_limit = whole(1, 'members_limit', 0), whole(2, 'waiters_limit', 0)
local object = latch()
if not object.epoch then
  return {ABSENT, -1}
end
local head = {
  READ, -1, text(NOW), counter(object), waiting(object), call('ZCARD', object.members), call('ZCARD', object.finished),
}
return snapshot(object, head, object.members, limit, waiters_limit)
