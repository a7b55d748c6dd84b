-- Who waits for permits, and in which order. Members of a queue are holders; their requests live
-- in hashes with a TTL, so that a waiter that stops its heartbeat is forgotten without anybody's help.
--@include lib/leases
local BAND = 4398046511104 -- 2^42: room for the sequence below each priority

-- The request this script was called for, and the tokens it got.
local CALLER = false
local CALLER_TOKENS = false

-- Queue order as one score: the aged first, then priority, then the namespace's sequence.
local function order_of(request)
  local band = request.aged <= NOW and 0 or 1001 - request.priority
  return text(band * BAND + request.seq)
end

-- A request as its hash tells it, or nil once it is forgotten.
local function read_request(id)
  local r = call('HMGET', request_key(id), 'holder', 'items', 'priority', 'seq', 'since', 'aged', 'ttl', 'pod',
    'uid', 'node')
  if not r[1] then
    return nil
  end
  local request = {
    id = id, holder = r[1], items = {}, priority = tonumber(r[3]), seq = tonumber(r[4]), since = tonumber(r[5]),
    aged = tonumber(r[6]), ttl = tonumber(r[7]), pod = r[8], uid = r[9], node = r[10],
  }
  for object, amount in string.gmatch(r[2], '(%S+)=(%d+)') do
    request.items[#request.items + 1] = {id = object, amount = tonumber(amount)}
  end
  return request
end

local function wake(id, message)
  call('RPUSH', wake_key(id), message)
  call('PEXPIRE', wake_key(id), WAITER_TTL)
end

-- Takes away the mark in `waiting`: all that a holder still has there once it stands in no queue.
local function forget_waiter(object, holder)
  if call('HDEL', object.waiting, holder) == 1 then
    object.waiters = object.waiters - 1
    object.changed = true
  end
end

-- Takes a holder out of one object's queue. A claimed grant keeps its mark until it is confirmed.
local function leave_queue(object, holder, keep_mark)
  call('ZREM', object.queue, holder)
  call('ZREM', object.ageing, holder)
  object.head = nil
  if not keep_mark then
    forget_waiter(object, holder)
  end
end

-- Makes a grant that was made to a waiter one for good; `request` is the one that waited.
local function confirm(object, holder, request)
  call('HDEL', lease_key(object, holder), 'claim')
  forget_waiter(object, holder)
  if request then
    call('DEL', request_key(request), wake_key(request))
  end
end

-- Whether a waiter has kept silent for a claim window beyond the moment at which it was going to look or to show that
-- it lives. Waiters die in groups, with their node: once a grant has lapsed, such a one gets none.
local function is_overdue(object, id)
  if not object.lapsed or id == CALLER then
    return false
  end
  local planned = tonumber(call('HGET', request_key(id), 'look') or '') or 0
  local silent_for = WAITER_TTL - call('PTTL', request_key(id))
  return planned > 0 and planned + CLAIM_WINDOW <= NOW or silent_for >= HEARTBEAT + CLAIM_WINDOW
end

-- The living request of a queued holder; a dead one is passed over. If it lives after all, it comes back to its place.
local function request_of(object, holder)
  local id = call('HGET', object.waiting, holder)
  local request = id and read_request(id)
  if not request or is_overdue(object, id) then
    request = nil
    leave_queue(object, holder)
    record(object, 'abandoned', holder, '', '', '')
  end
  return request
end

-- Moves waiters older than maxBypass ahead of all priorities; their score keeps their sequence. What frees memory comes
-- first: after it ZADD is allowed at maxmemory too.
local function promote(object)
  if object.promoted then
    return
  end
  object.promoted = true
  for _, holder in ipairs(call('ZRANGEBYSCORE', object.ageing, '-inf', text(NOW))) do
    local score = call('ZSCORE', object.queue, holder)
    call('ZREM', object.ageing, holder)
    if score then
      call('ZADD', object.queue, text(math.fmod(tonumber(score), BAND)), holder)
      object.head = nil
    end
  end
end
