-- Starts a new epoch at once: idle, with no members; waiters go on waiting for the new epoch.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: request
-- REPLY: code next_change_ms epoch
-- GUARANTEE: nothing is carried over; a retry does not reset again.
--@include lib/life
--@include lib/waitgroup

local object = latch()
return reset(object, ARGV[1], function() begin_epoch(object) end, function() return math.huge end)
