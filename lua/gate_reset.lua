-- Starts a new epoch at once: nothing decided, nothing done by hand, the deadline from now; waiters go on waiting.
-- KEYS: dirty index meta waiters events
-- ARGV: request
-- REPLY: code next_change_ms epoch
-- GUARANTEE: nothing is carried over; a retry does not reset again.
--@include lib/life
--@include lib/gate

local object = latch()
return reset(object, ARGV[1], function() begin_epoch(object) end, function() return deadline(object) end)
