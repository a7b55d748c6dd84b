-- Starts a new epoch at once: no arrivals, the deadline from now; waiters go on waiting for the new epoch.
-- KEYS: dirty index meta arrivals cycles waiters events
-- ARGV:
-- REPLY: code next_change_ms epoch
-- GUARANTEE: nothing is carried over.
--@include lib/codes
--@include lib/barrier

local object = latch()
if not object.epoch then
  return {ABSENT, -1, ''}
end
begin_epoch(object)
record(object, 'reset', '', '', '', '')
finish(object)
broadcast(object, 'reset ' .. object.epoch)
return {RESET, until_moment(deadline(object)), object.epoch}
