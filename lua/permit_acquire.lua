-- Asks for permits of one object or several, all or nothing. The same call again, with the same request id, keeps
-- a waiter's place, confirms a grant that was made to it while it waited, or repeats the answer.
-- KEYS: dirty index seq (meta leases weights queue ageing waiting events)+
-- ARGV: request holder mode priority ttl pod uid node amounts+
-- REPLY: code next_change_ms object position waiting in_use permits (token expires_in_ms)*
-- GUARANTEE: never more than `permits` live; never ahead of a waiter whose turn it is; once per request id.
--@include lib/codes
--@include lib/permits

local ask = {
  id = ARGV[1], holder = ARGV[2], mode = ARGV[3],
  priority = whole(4, 'priority', -1000, 1000), ttl = whole(5, 'ttl', -2),
  pod = ARGV[6], uid = ARGV[7], node = ARGV[8], items = {},
}
for i = 4, #KEYS, 7 do
  ask.items[#ask.items + 1] = {amount = whole(9 + (i - 4) / 7, 'permits', 1)}
end
for i, item in ipairs(ask.items) do
  item.object = object_at(7 * i - 3)
  item.id = item.object.id
end

-- A ttl below zero is the object's own; -1 where it must end by itself, because no pod is known that would end it.
local function moment_for(object)
  return moment_after(ask.ttl < 0 and object.ttl or ask.ttl)
end

local function would_never_end(object)
  return ask.ttl == -1 and object.ttl == 0 and object.epoch
end

-- The common case, before anything else is even defined: one object, nobody waits, it fits, the holder is new.
if #ask.items == 1 then
  local amount, object = ask.items[1].amount, ask.items[1].object
  if object.epoch and object.waiters == 0 and amount <= object.permits - in_use(object)
    and not would_never_end(object) and not is_cancelled(ask.id) then
    local moment = moment_for(object)
    if add_lease(object, ask.holder, moment) then
      local token = describe_lease(object, ask, amount, moment, false)
      save(object)
      announce(object)
      return {GRANTED, -1, object.id, 1, 0, in_use(object), object.permits, token, until_moment(moment)}
    end
  end
end

--@include lib/queue
CALLER = ask.id

-- Kinds whose holders never change their share.
local function is_fixed(object)
  return string.sub(object.id, 1, 6) == 'mutex/' or string.sub(object.id, 1, 8) == 'rwmutex/'
end

local function first_item(test)
  for _, item in ipairs(ask.items) do
    if test(item) then
      return item.object
    end
  end
  return nil
end

-- The lease that the holder already has of an item's object. One whose time is up, or whose twin is gone, is none.
local function lease_of(item)
  local object = item.object
  local ends = call('ZSCORE', object.leases, ask.holder)
  if not ends then
    return nil
  end
  local t = call('HMGET', lease_key(object, ask.holder), 'token', 'permits', 'claim', 'request')
  if t[1] and score_of(ends) > NOW then
    return {token = t[1], amount = tonumber(t[2]), claimed = t[3], request = t[4]}
  end
  end_lease(object, ask.holder, ends)
  return nil
end

-- Why the holder's lease cannot become one of the amount asked for; nil if it can. It shrinks always, and never queues.
local function objection(item)
  local object, more = item.object, item.amount - item.lease.amount
  if more ~= 0 and is_fixed(object) then
    return FIXED
  elseif more > 0 and object.permits > 0 and item.amount > object.permits then
    return IMPOSSIBLE
  elseif more > 0 and (has_queue(object) or not fits(object, more)) then
    return REFUSED
  end
  return nil
end

-- Goes on with the holder's lease: a confirmation, a repeated request, a restarted container, or another amount.
local function keep(item)
  local object, lease = item.object, item.lease
  local twin = lease_key(object, ask.holder)
  set_expiry(object, ask.holder, moment_for(object))
  call('HSET', twin, 'ttl', text(ask.ttl < 0 and object.ttl or ask.ttl))
  if lease.claimed then
    call('HDEL', twin, 'claim')
    local request = call('HGET', object.waiting, ask.holder)
    forget_waiter(object, ask.holder)
    if request then
      call('DEL', request_key(request), wake_key(request))
    end
  end
  if lease.request ~= ask.id then
    call('HSET', twin, 'request', '') -- two requests count on it now: cancelling one must not take it from the other
  end
  if item.amount ~= lease.amount then
    set_weight(object, ask.holder, item.amount, lease.amount)
    call('HSET', twin, 'permits', text(item.amount))
    record(object, 'resized', ask.holder, lease.token, text(item.amount), '')
  end
  item.token = lease.token
end

-- All or nothing: every lease is looked at before the first is changed. Who waits goes first, and the dead are gone.
local function keep_all()
  if first_item(function(item) return item.amount > item.lease.amount end) then
    serve()
  end
  for _, item in ipairs(ask.items) do
    local code = objection(item)
    if code then
      return code, item.object
    end
  end
  for _, item in ipairs(ask.items) do
    keep(item)
  end
  return GRANTED
end

local function grant_now()
  for _, item in ipairs(ask.items) do
    item.token = grant(item.object, ask, item.amount, moment_for(item.object), false)
  end
  return GRANTED
end

-- Ends a request whose waiter is dead; this one gets its place in the queue, but asks for what it asks for itself.
local function take_place(object, rival)
  local old = read_request(rival)
  for _, item in ipairs(old.items) do
    local other = object_named(item.id)
    if call('HGET', other.waiting, ask.holder) == rival then
      leave_queue(other, ask.holder)
    end
  end
  call('DEL', request_key(rival), wake_key(rival))
  ask.seq, ask.since, ask.aged = old.seq, old.since, old.aged
  record(object, 'replaced', ask.holder, '', '', '')
end

-- Another request of the same holder waits. It is asked for a sign of life; without one, this request takes its place.
local function challenge(object, rival)
  local p = call('HMGET', request_key(rival), 'probe', 'probed', 'answered')
  if p[3] == ask.id then
    return DUPLICATE, -1
  end
  if p[1] ~= ask.id then
    call('HSET', request_key(rival), 'probe', ask.id, 'probed', text(NOW))
    wake(rival, 'probe')
    return PROBING, PROBE_WINDOW
  end
  local left = tonumber(p[2]) + PROBE_WINDOW - NOW
  if left > 0 then
    return PROBING, left
  end
  take_place(object, rival)
  return nil, -1
end

-- The request's hash, made or refreshed. A probe is answered by the waiter's next call, which is this one.
local function keep_request()
  local key = request_key(ask.id)
  local known = read_request(ask.id)
  if not known then
    local bypass = math.huge
    local names = {}
    for i, item in ipairs(ask.items) do
      bypass = math.min(bypass, item.object.epoch and item.object.bypass or MAX_BYPASS)
      names[i] = item.id .. '=' .. text(item.amount)
    end
    if not ask.seq then
      ask.seq, ask.since, ask.aged = call('INCR', KEYS[3]), NOW, NOW + bypass
    end
    call('HSET', key, 'holder', ask.holder, 'items', table.concat(names, ' '), 'priority', text(ask.priority),
      'seq', text(ask.seq), 'since', text(ask.since), 'aged', text(ask.aged), 'ttl', text(ask.ttl), 'pod', ask.pod,
      'uid', ask.uid, 'node', ask.node)
    known = ask
  else
    local probe = call('HGET', key, 'probe')
    if probe then
      call('HSET', key, 'answered', probe)
      call('HDEL', key, 'probe', 'probed')
    end
  end
  call('PEXPIRE', key, WAITER_TTL)
  call('PEXPIRE', KEYS[3], 2 * WAITER_TTL)
  return known
end

-- Puts the request into the queues where it does not stand yet; one that was skipped alive comes back to its place.
local function join_queues(request)
  for _, item in ipairs(ask.items) do
    local object = item.object
    if not call('ZSCORE', object.queue, ask.holder) then
      call('ZADD', object.queue, order_of(request), ask.holder)
      object.head = nil
      call('ZADD', object.ageing, text(request.aged), ask.holder)
      object.waiters = object.waiters + call('HSET', object.waiting, ask.holder, ask.id)
      if object.epoch then
        expect_end(object, 0)
      end
      record(object, 'queued', ask.holder, '', text(item.amount), 'seq=' .. text(request.seq) .. ' priority=' ..
        text(request.priority))
    end
    if not object.epoch then
      for _, key in ipairs({object.queue, object.ageing, object.waiting}) do
        call('PEXPIRE', key, WAITER_TTL)
      end
    end
  end
end

local function wait_in_line()
  for _, item in ipairs(ask.items) do
    local rival = call('HGET', item.object.waiting, ask.holder)
    if rival and rival ~= ask.id and read_request(rival) then
      local code, next_change = challenge(item.object, rival)
      if code then
        return code, item.object, next_change
      end
    elseif rival and rival ~= ask.id then
      leave_queue(item.object, ask.holder)
    end
  end
  join_queues(keep_request())
  serve()
  if CALLER_TOKENS then
    return GRANTED
  end
  return QUEUED, first_item(function(item) return not item.object.epoch end)
    or first_item(function(item) return not fits(item.object, item.amount) end)
end

-- A request that waits only for what exists may stand in other queues when one of its objects is deleted.
local function leave_all_queues()
  for _, item in ipairs(ask.items) do
    if call('HGET', item.object.waiting, ask.holder) == ask.id then
      leave_queue(item.object, ask.holder)
    end
  end
end

-- What the request gets: a code, the object that decided it, and for a refusal the moment to look again.
local function decide()
  if is_cancelled(ask.id) then
    return CANCELLED
  end
  local endless = first_item(function(item) return would_never_end(item.object) end)
  if endless then
    return ENDLESS, endless
  end
  local held = 0
  for _, item in ipairs(ask.items) do
    item.lease = lease_of(item)
    held = held + (item.lease and 1 or 0)
  end
  if held == #ask.items then
    return keep_all()
  elseif held > 0 then
    return FIXED, first_item(function(item) return item.lease end)
  end
  local absent = first_item(function(item) return not item.object.epoch end)
  if absent and ask.mode ~= 'wait' then
    leave_all_queues()
    return ABSENT, absent
  end
  local small = first_item(function(item)
    return item.object.permits > 0 and item.amount > item.object.permits
  end)
  if small then
    return IMPOSSIBLE, small
  end
  serve()
  if CALLER_TOKENS then
    return GRANTED
  end
  local busy = absent or first_item(function(item)
    return has_queue(item.object) or not fits(item.object, item.amount)
  end)
  if not busy then
    return grant_now()
  elseif ask.mode == 'try' then
    call('HINCRBY', busy.meta, 'refusals', 1)
    return REFUSED, busy
  end
  return wait_in_line()
end

local code, object, next_change = decide()
finish()
object = object or ask.items[1].object
if code == GRANTED then
  local answer = {GRANTED, -1, object.id, 1, 0, in_use(object), object.permits}
  for i, item in ipairs(ask.items) do
    answer[#answer + 1] = CALLER_TOKENS and CALLER_TOKENS[i] or item.token
    answer[#answer + 1] = until_moment(moment_for(item.object))
  end
  return answer
end
local rank = code == QUEUED and call('ZRANK', object.queue, ask.holder) or 0
next_change = next_change or look_again(object, rank)
if code == QUEUED then
  note_look(ask.id, next_change)
  code = object.epoch and QUEUED or ABSENT
end
return {
  code, next_change, object.id, rank + 1, call('ZCARD', object.queue), in_use(object),
  object.permits,
}
