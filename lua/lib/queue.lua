-- Who waits for permits, in which order, and who is next. Members of a queue are holders; their requests live
-- in hashes with a TTL, so that a waiter that stops its heartbeat is forgotten without anybody's help.
--@include lib/permits
local BAND = 4398046511104 -- 2^42: room for the sequence below each priority
local BACKFILL_SCAN = 128
local WATCHERS = 6

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

-- Marks of claimed grants stand in `waiting` too, so an empty queue may still have some.
local function has_queue(object)
  return object.waiters > 0 and call('ZCARD', object.queue) > 0
end

local function fits(object, amount)
  return object.epoch and object.permits - in_use(object) >= amount
end

-- Whether nobody stands before the request in an object that it names beside the one being served.
local function has_turn(object, request)
  promote(object)
  while true do
    local holder = head_of(object)
    if not holder or holder == request.holder then
      return true
    end
    local first = request_of(object, holder)
    if first then
      return terms_of(object).policy == 'Backfill' and first.aged > NOW
    end
  end
end

local function can_go(object, request)
  for _, item in ipairs(request.items) do
    local other = object_named(item.id)
    if not fits(other, item.amount) or (other ~= object and not has_turn(other, request)) then
      return false
    end
  end
  return true
end

-- The next request to be granted, or nil when the one whose turn it is does not fit.
local function next_turn(object)
  local rank = 0
  while in_use(object) < object.permits and rank < BACKFILL_SCAN do
    local holder = head_of(object)
    if rank > 0 then
      holder = call('ZRANGE', object.queue, rank, rank)[1]
    end
    if not holder then
      return nil
    end
    local request = request_of(object, holder)
    if request then
      if can_go(object, request) then
        return request
      end
      if terms_of(object).policy ~= 'Backfill' or request.aged <= NOW then
        return nil
      end
      rank = rank + 1
    end
  end
  return nil
end

local function count_wait(object, request)
  local terms = terms_of(object)
  local waited = math.max(0, NOW - request.since)
  terms.waited = terms.waited + waited
  terms.longest = math.max(terms.longest, waited)
  set(object, 'waited', text(terms.waited))
  set(object, 'longest', text(terms.longest))
end

-- Grants all that a queued request names. The caller's own request is granted for good; another has the claim
-- window to confirm, and is woken.
local function admit(request)
  local mine = request.id == CALLER
  local tokens = {}
  for _, item in ipairs(request.items) do
    local object = object_named(item.id)
    local ttl = request.ttl < 0 and object.ttl or request.ttl
    leave_queue(object, request.holder, not mine)
    count_wait(object, request)
    local moment = mine and moment_after(ttl) or NOW + CLAIM_WINDOW
    tokens[#tokens + 1] = grant(object, request, item.amount, moment, not mine)
  end
  if mine then
    call('DEL', request_key(request.id), wake_key(request.id))
    CALLER_TOKENS = tokens
  else
    wake(request.id, 'granted ' .. table.concat(tokens, ' '))
  end
end

-- Grants to every head that fits, in all objects this script has opened: a request of several objects may free
-- the way in each of them.
local function serve()
  local progress
  repeat
    progress = false
    local i = 1
    while OBJECTS[i] do
      local object = OBJECTS[i]
      if object.waiters > 0 then
        promote(object)
        local request = next_turn(object)
        while request do
          admit(request)
          progress = true
          request = next_turn(object)
        end
      end
      i = i + 1
    end
  until not progress or #OBJECTS == 1
end

-- When the object changes by itself: the next expiry, or with free permits the next ageing.
local function next_moment(object)
  local moment = next_expiry(object)
  if object.waiters > 0 and in_use(object) < object.permits then
    local first = call('ZRANGE', object.ageing, 0, 0, 'WITHSCORES')
    if first[2] then
      moment = math.min(moment, tonumber(first[2]))
    end
  end
  return moment
end

-- When the waiter of a rank (0 is the head) should look again. The head acts at the very moment; a few behind it
-- shortly after, for the case that it is dead; all others a claim window later each. While grants come and go they look
-- sooner, so that nobody need be told when it becomes the head.
local function look_again(object, rank)
  local moment = object.moment or next_moment(object)
  local is_watched = rank > 0 and terms_of(object).watched > NOW
  if is_watched then
    moment = math.min(moment, terms_of(object).watched)
  end
  local left = until_moment(moment)
  if left < 0 then
    return -1
  elseif rank <= WATCHERS or is_watched then
    return left + 25 * rank
  end
  return left + CLAIM_WINDOW * (rank - WATCHERS)
end

-- Notes when a waiter will look by itself. Without memory to spare it is told once too often.
local function note_look(id, ms)
  redis.pcall('HSET', request_key(id), 'look', text(ms < 0 and 0 or NOW + ms))
end

-- Tells a waiter when to look, unless it will have looked by then. A look that it has missed stays noted.
local function tell_to_look(object, holder, word, ms)
  local id = call('HGET', object.waiting, holder)
  if not id or id == CALLER then
    return
  end
  local planned = tonumber(call('HGET', request_key(id), 'look') or '')
  if ms >= 0 and planned and planned > NOW and planned <= NOW + ms then
    return
  end
  wake(id, word .. ' ' .. text(ms))
  if planned and (planned == 0 or planned > NOW) then -- never make a forgotten request come back without a TTL
    note_look(id, ms)
  end
end

-- Tells the few behind the head when to look, in case it is dead, if they would look too late: `watched` is the moment
-- at which all of them will. New grants lapse a claim window from now, so this costs a few messages in that time.
local function arm_watchers(object, moment)
  if not object.epoch or not (object.changed or CALLER) or moment == math.huge then
    return
  end
  local terms = terms_of(object)
  if NOW < terms.watched and terms.watched <= moment then
    return
  end
  local watchers = call('ZRANGE', object.queue, 1, WATCHERS)
  for rank, holder in ipairs(watchers) do
    tell_to_look(object, holder, 'watch', until_moment(moment) + 25 * rank)
  end
  if #watchers > 0 then
    terms.watched = moment
    set(object, 'watched', text(moment))
  end
end

-- Tells the head when to look, if it is a new one or its moment came closer.
local function arm(object)
  local head = object.waiters > 0 and head_of(object)
  if not head then
    return
  end
  local moment = next_moment(object)
  object.moment = moment -- nothing changes it any more
  if head ~= object.head_before or moment < object.expiry_before then
    tell_to_look(object, head, 'arm', until_moment(moment))
  end
  arm_watchers(object, moment)
end

-- The end of every script of permits: grant, re-arm, save; the messages last.
local function finish()
  serve()
  for _, object in ipairs(OBJECTS) do
    arm(object)
    save(object)
  end
  for _, object in ipairs(OBJECTS) do
    if object.changed then
      announce(object)
    end
  end
end
