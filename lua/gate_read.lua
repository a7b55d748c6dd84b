-- All state of one gate, as one snapshot; a deadline that has passed is applied first.
-- KEYS: dirty index meta waiters events
-- ARGV:
-- REPLY: code next_change_ms now_ms waiting fields_count (field value)*
-- GUARANTEE: consistent within itself.
--@include lib/codes
--@include lib/gate
--@include lib/snapshot

local object = latch()
if not object.epoch then
  return {ABSENT, -1}
end
advance(object)
finish(object)
return with_fields(object, {READ, until_moment(deadline(object)), text(NOW), waiting(object)})
