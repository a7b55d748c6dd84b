-- Gives back a holder's permits and grants them to the waiters whose turn it is.
-- KEYS: dirty index seq meta leases weights queue ageing waiting memory events
-- ARGV: request holder token event
-- REPLY: code next_change_ms in_use permits
-- GUARANTEE: frees before it writes anything else; a retry answers as the first call did; never frees twice.
--@include lib/codes
--@include lib/queue

local request, holder, token, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local object = object_at(4)

local function outcome()
  local held = call('ZSCORE', object.leases, holder)
  local current = held and call('HGET', lease_key(object, holder), 'token')
  if held and (token == '' or token == current) then
    drop_lease(object, holder)
    if object.waiters > 0 and not call('ZSCORE', object.queue, holder) then
      leave_queue(object, holder)
    end
    remember(object, request, RELEASED)
    record(object, event, holder, current or '', '', '')
    return RELEASED
  end
  local before = recall(object, request)
  if before then
    return before
  elseif not held and recall(object, 'expired/' .. holder) then
    return EXPIRED
  end
  -- A tombstone for an import that would bring this lease back; without memory to spare it is left out.
  redis.pcall('HSET', object.memory, 'released/' .. holder, text(NOW))
  redis.pcall('PEXPIRE', object.memory, MEMORY_TTL)
  return object.epoch and NOT_HELD or ABSENT
end

local code = outcome()
finish()
return {code, until_moment(next_moment(object)), in_use(object), object.permits}
