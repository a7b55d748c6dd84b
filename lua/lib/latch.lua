-- What all latches share: their hash, their epochs, and waiters that listen to a broadcast instead of queueing.
--@include lib/base
--@include lib/names
--@include lib/journal
--@include lib/memory
local WATCHERS = 6
local TYPES = {arrivals = 'zset', cycles = 'zset', waiters = 'zset', events = 'stream'}

-- The latch whose five keys start at KEYS[3], with its hash as it stands.
local function latch()
  local object = {
    meta = KEYS[3], arrivals = KEYS[4], cycles = KEYS[5], waiters = KEYS[6], events = KEYS[7],
    fields = {}, changed = false, id = id_of(KEYS[3]),
  }
  local flat = call('HGETALL', object.meta)
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  object.state = fields
  object.epoch = fields.epoch or false
  if not object.epoch then
    check_types(object, TYPES)
  end
  return object
end

-- Changes a field both in the hash (with save) and in what this script sees.
local function change(object, field, value)
  object.state[field] = value
  set(object, field, value)
  object.changed = true
end

-- Registers a broadcast waiter for the count of waiters; one that stops its heartbeat falls out by itself.
local function register(object, request)
  call('ZREMRANGEBYSCORE', object.waiters, '-inf', text(NOW))
  if call('ZADD', object.waiters, text(NOW + WAITER_TTL), request) == 1 then
    object.changed = true
  end
  call('PEXPIRE', object.waiters, 2 * WAITER_TTL)
end

local function waiting(object)
  return call('ZCOUNT', object.waiters, '(' .. text(NOW), '+inf')
end

-- When a waiter should look by itself: a few at the moment itself, for all others a message will have come.
local function look_again(object, moment, request)
  local left = until_moment(moment)
  if left < 0 then
    return -1
  end
  local rank = call('ZRANK', object.waiters, request) or 0
  return rank <= WATCHERS and left + 25 * rank or left + 250 + 10 * rank
end

local function finish(object)
  save(object)
  if object.changed then
    announce(object)
  end
end
