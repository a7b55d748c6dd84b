-- Starts a new epoch at once: no arrivals, the deadline from now; waiters go on waiting for the new epoch.
-- KEYS: dirty index meta arrivals cycles waiters events
-- ARGV: request
-- REPLY: code next_change_ms epoch
-- GUARANTEE: nothing is carried over; a retry does not reset again.
--@include lib/codes
--@include lib/barrier

local request = ARGV[1]
local object = latch()
local before = recall(object, request)
if before then
  return {RESET, until_moment(deadline(object)), before}
elseif not object.epoch then
  return {ABSENT, -1, ''}
end
begin_epoch(object)
remember(object, request, object.epoch)
record(object, 'reset', '', '', '', '')
finish(object)
broadcast(object, 'reset ' .. object.epoch)
return {RESET, until_moment(deadline(object)), object.epoch}
