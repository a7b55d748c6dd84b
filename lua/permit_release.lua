-- Gives back a holder's permits and grants them to the waiters whose turn it is.
-- KEYS: dirty index seq meta leases weights queue ageing waiting memory events
-- ARGV: request holder token event
-- REPLY: code next_change_ms
-- GUARANTEE: frees before it writes anything else; a retry answers as the first call did; never frees twice.
--@include lib/codes
--@include lib/permits

local request, holder, token, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local object = object_at(4)

-- Frees the lease if the holder has it, under this token if one was named.
local function free()
  local current = call('HGET', lease_key(object, holder), 'token')
  if (token ~= '' and token ~= current) or not drop_lease(object, holder) then
    return false
  end
  remember(object, request, RELEASED)
  record(object, event, holder, current or '', '', '')
  return true
end

-- What a release that frees nothing has to say. It leaves a tombstone for an import that would bring the lease back;
-- without memory to spare that is left out.
local function explain()
  local before = recall(object, request)
  if before then
    return before
  elseif recall(object, 'expired/' .. holder) and not call('ZSCORE', object.leases, holder) then
    return EXPIRED
  end
  redis.pcall('HSET', object.memory, 'released/' .. holder, text(NOW))
  redis.pcall('PEXPIRE', object.memory, MEMORY_TTL)
  return object.epoch and NOT_HELD or ABSENT
end

local code = free() and RELEASED or explain()
-- The common case, before anything else is even defined: nobody waits.
if object.waiters == 0 then
  save(object)
  if object.changed then
    announce(object)
  end
  return {code, -1}
end

--@include lib/queue
if code == RELEASED and not call('ZSCORE', object.queue, holder) then
  leave_queue(object, holder)
end
finish()
return {code, until_moment(next_moment(object))}
