-- Ends a wait before the barrier opened.
-- KEYS: dirty index meta arrivals cycles waiters events
-- ARGV: request
-- REPLY: code next_change_ms
-- GUARANTEE: the waiter is no longer counted.
--@include lib/codes
--@include lib/barrier

local object = latch()
if call('ZREM', object.waiters, ARGV[1]) == 1 then
  object.changed = true
end
finish(object)
return {LEFT, -1}
