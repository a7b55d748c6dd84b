-- Deletes an object. Waiters are told and go on waiting for a new one; leases end.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request owner
-- REPLY: code next_change_ms owner
-- GUARANTEE: leaves no key without a TTL; deletes its owner's only; a retry does not delete what was made anew.
--@include lib/codes
--@include lib/lifecycle

local REQUEST, OWNER = ARGV[1], ARGV[2]
local object = object_at(4)
local current = call('HGET', object.meta, 'owner')
local before = recall(object, REQUEST)
if before then
  finish()
  return {DELETED, -1, before}
elseif not object.epoch then
  finish()
  return {ABSENT, -1, ''}
elseif current ~= OWNER then
  finish()
  return {OWNED, -1, current}
end
drop_leases(object)
for _, holder in ipairs(call('ZRANGE', object.queue, 0, -1)) do
  local request = call('HGET', object.waiting, holder)
  if request then
    wake(request, 'deleted')
  end
end
call('DEL', object.meta, object.queue, object.ageing, object.waiting)
call('SREM', KEYS[2], object.id)
remember(object, REQUEST, current)
remember(object, 'last-epoch', object.epoch)
remember(object, 'last-token', text(object.token))
object.fields = {}
record(object, 'deleted', '', '', '', 'by ' .. OWNER)
call('PEXPIRE', object.events, WAITER_TTL)
announce(object)
broadcast(object, 'deleted ' .. object.epoch)
return {DELETED, -1, current}
