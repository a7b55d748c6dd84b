-- Ends a wait before the latch opened.
-- KEYS: dirty index meta waiters events parts*
-- ARGV: request
-- REPLY: code next_change_ms
-- GUARANTEE: the waiter is no longer counted.
--@include lib/codes
--@include lib/latch

local object = latch()
unregister(object, ARGV[1])
finish(object)
return {LEFT, -1}
