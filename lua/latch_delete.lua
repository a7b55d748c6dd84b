-- Deletes a latch; waiters are told and go on waiting for a new one.
-- KEYS: dirty index meta waiters events parts*
-- ARGV: request owner
-- REPLY: code next_change_ms owner
-- GUARANTEE: leaves no key without a TTL; deletes its owner's only; a retry does not delete what was made anew.
--@include lib/codes
--@include lib/latch

local request, owner = ARGV[1], ARGV[2]
local object = latch()
local current = object.state.owner
local before = recall(object, request)
if before then
  return {DELETED, -1, before}
elseif not object.epoch then
  return {ABSENT, -1, ''}
elseif current ~= owner then
  return {OWNED, -1, current}
end
call('DEL', object.meta, unpack(object.parts))
drop_listeners(object.meta)
call('SREM', KEYS[2], object.id)
remember(object, request, current)
remember(object, 'last-epoch', object.epoch)
record(object, 'deleted', '', '', '', 'by ' .. owner)
call('PEXPIRE', object.events, WAITER_TTL)
announce(object)
broadcast(object, 'deleted ' .. object.epoch)
return {DELETED, -1, current}
