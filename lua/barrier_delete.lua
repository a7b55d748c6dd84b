-- Deletes a barrier; waiters are told and go on waiting for a new one.
-- KEYS: dirty index meta arrivals cycles waiters events
-- ARGV: owner
-- REPLY: code next_change_ms owner
-- GUARANTEE: leaves no key without a TTL.
--@include lib/codes
--@include lib/ownership
--@include lib/barrier

local owner = ARGV[1]
local object = latch()
local current = object.state.owner
if not object.epoch then
  return {ABSENT, -1, ''}
elseif is_foreign(current, owner) then
  return {OWNED, -1, current}
end
call('DEL', object.meta, object.arrivals, object.cycles, object.waiters)
call('SREM', KEYS[2], object.id)
record(object, 'deleted', '', '', '', 'by ' .. owner)
call('PEXPIRE', object.events, WAITER_TTL)
announce(object)
broadcast(object, 'deleted ' .. object.epoch)
return {DELETED, -1, current}
