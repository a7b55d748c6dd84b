-- The objects of the permit mechanism: what is in use, what ends next, who stands first.
--@include lib/base
--@include lib/names
--@include lib/journal
--@include lib/memory
local EXPIRY_BATCH = 500
local EXPIRY_BATCHES = 10
local LONGEST_CALM = 3600000

local TYPES = {
  leases = 'zset', weights = 'hash', queue = 'zset', ageing = 'zset', waiting = 'hash', events = 'stream',
}

local OBJECTS = {}

local function in_use(object)
  object.count = object.count or call('ZCARD', object.leases)
  return object.count + object.extra
end

-- Notes that a lease ends at `moment`: until then at the latest the object is calm.
local function expect_end(object, moment)
  if moment < object.calm then
    object.calm = moment
    set(object, 'calm', text(moment))
  end
end

-- When the first lease ends, asked once until a lease changes. The ranks are text because Redis writes a number that is
-- an argument with 17 digits, which takes as long as a whole command.
local function next_expiry(object)
  if not object.ends then
    local first = call('ZRANGE', object.leases, '0', '0', 'WITHSCORES')
    object.ends = first[2] and score_of(first[2]) or math.huge
  end
  return object.ends
end

-- Who stands first in the queue, or false; asked once until the queue changes.
local function head_of(object)
  if object.head == nil then
    object.head = call('ZRANGE', object.queue, '0', '0')[1] or false
  end
  return object.head
end

-- Takes a lease out of all the places that know it; false if there is none.
local function drop_lease(object, holder)
  if call('ZREM', object.leases, holder) == 0 then
    return false
  end
  call('DEL', lease_key(object, holder))
  object.count = object.count and object.count - 1
  object.ends = false
  object.changed = true
  if object.extra > 0 then
    local weight = call('HGET', object.weights, holder)
    if weight then
      call('HDEL', object.weights, holder)
      object.extra = object.extra - (tonumber(weight) - 1)
      set(object, 'extra', text(object.extra))
    end
  end
  return true
end

-- Ends one lease whose time is up. A queued grant that was never confirmed has lapsed: its waiter leaves the
-- queue but keeps its sequence in its request, should it come back.
local function end_lease(object, holder, expiry)
  drop_lease(object, holder)
  local request = object.waiters > 0 and call('HGET', object.waiting, holder)
  if request then
    call('HDEL', object.waiting, holder)
    object.waiters = object.waiters - 1
    object.lapsed = true
    record(object, 'lapsed', holder, '', '', expiry)
  else
    object.expiries = object.expiries + 1
    set(object, 'expiries', text(object.expiries))
    remember(object, 'expired/' .. holder, object.epoch)
    record(object, 'expired', holder, '', '', expiry)
  end
end

-- Frees what has expired. One script ends 5,000 leases at most; what is left over still counts as in use.
local function expire(object)
  for _ = 1, EXPIRY_BATCHES do
    local due = call('ZRANGEBYSCORE', object.leases, '-inf', text(NOW), 'WITHSCORES',
      'LIMIT', 0, EXPIRY_BATCH)
    for i = 1, #due, 2 do
      end_lease(object, due[i], due[i + 1])
    end
    if #due < 2 * EXPIRY_BATCH then
      break
    end
  end
end

-- Looks who waits and what ends next, frees what has expired, and notes until when the object will be calm: nobody
-- waits and no lease ends, so that scripts need not look until then.
local function look(object)
  object.waiters = call('HLEN', object.waiting)
  if object.waiters == 0 then
    check_types(object, TYPES)
  end
  object.expiry_before = next_expiry(object)
  object.head_before = object.waiters > 0 and head_of(object)
  if object.expiry_before <= NOW then
    expire(object)
  end
  if object.epoch and object.waiters == 0 then
    object.calm = math.min(next_expiry(object), NOW + LONGEST_CALM)
    set(object, 'calm', text(object.calm))
  end
end

-- What only waiters need to know of their object, read once and when it is first needed.
local function terms_of(object)
  if not object.terms then
    local m = call('HMGET', object.meta, 'policy', 'bypass', 'watched', 'waited', 'longest')
    object.terms = {
      policy = m[1], bypass = tonumber(m[2]) or 0, watched = tonumber(m[3]) or 0, waited = tonumber(m[4]) or 0,
      longest = tonumber(m[5]) or 0,
    }
  end
  return object.terms
end

-- Reads the object's hash. A calm object has nothing else to look at.
local function load(id, meta, leases, weights, queue, ageing, waiting, events)
  local m = call('HMGET', meta, 'epoch', 'permits', 'ttl', 'token', 'extra', 'grants', 'expiries', 'calm', 'done')
  local object = {
    id = id, meta = meta, leases = leases, weights = weights, queue = queue, ageing = ageing, waiting = waiting,
    events = events, epoch = m[1], permits = tonumber(m[2]) or 0, ttl = tonumber(m[3]) or 0,
    token = tonumber(m[4]) or 0, extra = tonumber(m[5]) or 0, grants = tonumber(m[6]) or 0,
    expiries = tonumber(m[7]) or 0, calm = tonumber(m[8]) or 0, waiters = 0, changed = false, fields = {},
    done = m[9], count = false, ends = false,
  }
  OBJECTS[#OBJECTS + 1] = object
  OBJECTS[id] = object
  if object.calm <= NOW then
    look(object)
  end
  return object
end

-- The object whose seven keys start at KEYS[first].
local function object_at(first)
  local id = id_of(KEYS[first])
  if OBJECTS[id] then
    error('KONDUCTOR ' .. id .. ' is named twice')
  end
  return load(id, unpack(KEYS, first, first + 6))
end

-- An object that a request of several names beside the script's own.
local function object_named(id)
  if OBJECTS[id] then
    return OBJECTS[id]
  end
  local meta = meta_of(id)
  return load(id, meta, meta .. ':leases', meta .. ':weights', meta .. ':queue', meta .. ':ageing', meta .. ':waiting',
    meta .. ':events')
end
