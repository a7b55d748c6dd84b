-- Gives back a holder's permits and grants them to the waiters whose turn it is.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request holder token event
-- REPLY: code next_change_ms
-- GUARANTEE: frees before it writes anything else; a retry answers as the first call did; never frees twice.
--@include lib/codes
--@include lib/leases

-- Upper case, because the functions of the queue, defined below, have parameters of the common names.
local REQUEST, HOLDER, TOKEN, EVENT = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local OBJECT = object_at(4)
local UNCONFIRMED = false

-- Frees the lease if the holder has it, under this token if one was named.
local function free()
  local twin = call('HMGET', lease_key(OBJECT, HOLDER), 'token', 'claim')
  local current = twin[1]
  if (TOKEN ~= '' and TOKEN ~= current) or not drop_lease(OBJECT, HOLDER) then
    return false
  end
  UNCONFIRMED = twin[2]
  if OBJECT.expiries > 0 then
    forget(OBJECT, 'expired/' .. HOLDER)
  end
  remember(OBJECT, REQUEST, RELEASED)
  record(OBJECT, EVENT, HOLDER, current or '', '', '')
  return true
end

-- What a release that frees nothing has to say. It leaves a tombstone for an import that would bring the lease back;
-- without memory to spare that is left out.
local function explain()
  local expired = OBJECT.epoch and recall(OBJECT, 'expired/' .. HOLDER) == OBJECT.epoch
    and not call('ZSCORE', OBJECT.leases, HOLDER)
  local code = expired and EXPIRED or OBJECT.epoch and NOT_HELD or ABSENT
  redis.pcall('SET', memory_key(OBJECT, REQUEST), code, 'PX', MEMORY_TTL)
  redis.pcall('SET', memory_key(OBJECT, 'released/' .. HOLDER), text(NOW), 'PX', MEMORY_TTL)
  return code
end

-- A retry must not free what the holder has got since.
local code = recall(OBJECT, REQUEST) or free() and RELEASED or explain()
-- The common case, before anything else is even defined: nobody waits.
if OBJECT.waiters == 0 then
  save(OBJECT)
  if OBJECT.changed then
    announce(OBJECT)
  end
  return {code, -1}
end

--@include lib/queue
if UNCONFIRMED and not call('ZSCORE', OBJECT.queue, HOLDER) then
  forget_waiter(OBJECT, HOLDER)
end
finish()
return {code, until_moment(OBJECT.moment or next_moment(OBJECT))}
