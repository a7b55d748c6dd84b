-- Starts a new epoch at once: every lease ends, counters start again, waiters are served from the new life.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request
-- REPLY: code next_change_ms epoch
-- GUARANTEE: no lease of the old epoch can be renewed or confirmed afterwards; a retry does not reset again.
--@include lib/codes
--@include lib/lifecycle

local request = ARGV[1]
local object = object_at(4)
local before = recall(object, request)
if before then
  finish()
  return {RESET, until_moment(next_moment(object)), before}
elseif not object.epoch then
  return {ABSENT, -1, ''}
end
begin_epoch(object)
remember(object, request, object.epoch)
record(object, 'reset', '', '', '', '')
finish()
broadcast(object, 'reset ' .. object.epoch)
return {RESET, until_moment(next_moment(object)), object.epoch}
