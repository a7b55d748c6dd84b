-- Starts a new epoch at once: no arrivals, the deadline from now; waiters go on waiting for the new epoch.
-- KEYS: dirty index meta waiters events arrivals cycles
-- ARGV: request
-- REPLY: code next_change_ms epoch
-- GUARANTEE: nothing is carried over; a retry does not reset again.
--@include lib/life
--@include lib/barrier

local object = latch()
return reset(object, ARGV[1], function() begin_epoch(object) end, function() return deadline(object) end)
