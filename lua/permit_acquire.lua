-- Asks for permits of one object or several, all or nothing. The same call again, with the same request id, keeps
-- a waiter's place, confirms a grant that was made to it while it waited, or repeats the answer.
-- KEYS: dirty index seq (meta leases weights queue ageing waiting events)+
-- ARGV: request holder mode priority ttl pod uid node amounts+
-- REPLY: code next_change_ms object position waiting in_use permits (token expires_in_ms)*
-- GUARANTEE: never more than `permits` live; never ahead of a waiter whose turn it is; once per request id.
--@include lib/codes
--@include lib/leases

local asked = {
  id = ARGV[1], holder = ARGV[2], mode = ARGV[3],
  priority = whole(4, 'priority', -1000, 1000), ttl = whole(5, 'ttl', -2),
  pod = ARGV[6], uid = ARGV[7], node = ARGV[8], items = {},
}
for i = 4, #KEYS, 7 do
  asked.items[#asked.items + 1] = {amount = whole(9 + (i - 4) / 7, 'permits', 1)}
end
for i, item in ipairs(asked.items) do
  item.object = object_at(7 * i - 3)
  item.id = item.object.id
end

-- A ttl of -1 is the object's own, and must end by itself, because no pod is known that would end it.
local function would_never_end(object)
  return asked.ttl == -1 and object.ttl == 0 and object.epoch
end

-- The common case, before anything else is even defined: one object, nobody waits, it fits, the holder is new.
if #asked.items == 1 then
  local amount, object = asked.items[1].amount, asked.items[1].object
  if object.epoch and object.waiters == 0 and amount <= object.permits - in_use(object)
    and not object.done and not would_never_end(object) and not is_cancelled(asked.id) then
    local moment = moment_for(asked, object)
    if add_lease(object, asked.holder, moment) then
      local token = describe_lease(object, asked, amount, moment, false)
      save(object)
      announce(object)
      return {GRANTED, -1, object.id, 1, 0, in_use(object), object.permits, token, until_moment(moment)}
    end
  end
end

--@include lib/queue

-- The second most common case: a waiter confirms what it was granted, and by that no lease ends sooner than before.
if #asked.items == 1 then
  local amount, object = asked.items[1].amount, asked.items[1].object
  local moment = moment_for(asked, object)
  if object.waiters > 0 and object.expiry_before > NOW and moment >= object.expiry_before
    and not would_never_end(object) then
    local t = call('HMGET', lease_key(object, asked.holder), 'token', 'permits', 'ttl', 'request', 'claim')
    if t[5] and t[4] == asked.id and t[3] == ttl_for(asked, object) and t[2] == text(amount) then
      set_expiry(object, asked.holder, moment)
      confirm(object, asked.holder, asked.id)
      save(object)
      announce(object)
      return {GRANTED, -1, object.id, 1, 0, in_use(object), object.permits, t[1], until_moment(moment)}
    end
  end
end

--@include lib/holding
--@include lib/line
CALLER = asked.id

local function grant_now()
  for _, item in ipairs(asked.items) do
    item.token = grant(item.object, asked, item.amount, moment_for(asked, item.object), false)
  end
  return GRANTED
end

local function wait_in_line()
  for _, item in ipairs(asked.items) do
    local rival = call('HGET', item.object.waiting, asked.holder)
    if rival and not read_request(rival) then
      leave_queue(item.object, asked.holder) -- forgotten; also this request itself does not come back to its old place
    elseif rival and rival ~= asked.id then
      local code, next_change = challenge(asked, item.object, rival)
      if code then
        return code, item.object, next_change
      end
    end
  end
  join_queues(asked, keep_request(asked))
  serve()
  if CALLER_TOKENS then
    return GRANTED
  end
  return QUEUED, first_item(asked, function(item) return not item.object.epoch end)
    or first_item(asked, function(item) return not fits(item.object, item.amount) end)
end

-- Of what this request was granted, a part has ended: with an object that was reset or deleted, or by a shorter ttl.
local function give_back_rest()
  for _, item in ipairs(asked.items) do
    if item.lease then
      drop_lease(item.object, asked.holder)
      forget_waiter(item.object, asked.holder)
      record(item.object, 'returned', asked.holder, item.lease.token, '', 'a part had ended')
    end
  end
end

-- A request that waits only for what exists may stand in other queues when one of its objects is deleted.
local function leave_all_queues()
  for _, item in ipairs(asked.items) do
    if call('HGET', item.object.waiting, asked.holder) == asked.id then
      leave_queue(item.object, asked.holder)
    end
  end
end

-- What the request gets: a code, the object that decided it, and for a refusal the moment to look again.
local function decide()
  if is_cancelled(asked.id) then
    return CANCELLED
  end
  local done = first_item(asked, function(item) return item.object.done end)
  if done then
    return DONE, done
  end
  local endless = first_item(asked, function(item) return would_never_end(item.object) end)
  if endless then
    return ENDLESS, endless
  end
  -- Whose turn it is goes first; that may be this request, or another one of its holder.
  serve()
  if CALLER_TOKENS then
    return GRANTED
  end
  local held = 0
  for _, item in ipairs(asked.items) do
    item.lease = lease_of(asked, item)
    held = held + (item.lease and 1 or 0)
  end
  if held == #asked.items then
    return keep_all(asked)
  elseif held > 0 then
    local other = first_item(asked, function(item) return item.lease and item.lease.request ~= asked.id end)
    if other then
      return FIXED, other
    end
    give_back_rest()
  end
  local absent = first_item(asked, function(item) return not item.object.epoch end)
  if absent and asked.mode ~= 'wait' then
    leave_all_queues()
    return ABSENT, absent
  end
  local small = first_item(asked, function(item)
    return item.object.permits > 0 and item.amount > item.object.permits
  end)
  if small then
    return IMPOSSIBLE, small
  end
  local busy = absent or first_item(asked, function(item)
    return has_queue(item.object) or not fits(item.object, item.amount)
  end)
  if not busy then
    return grant_now()
  elseif asked.mode == 'try' then
    call('HINCRBY', busy.meta, 'refusals', 1)
    return REFUSED, busy
  end
  return wait_in_line()
end

local code, object, next_change = decide()
finish()
object = object or asked.items[1].object
if code == GRANTED then
  local answer = {GRANTED, -1, object.id, 1, 0, in_use(object), object.permits}
  for i, item in ipairs(asked.items) do
    answer[#answer + 1] = CALLER_TOKENS and CALLER_TOKENS[i] or item.token
    answer[#answer + 1] = until_moment(moment_for(asked, item.object))
  end
  return answer
end
local rank = code == QUEUED and call('ZRANK', object.queue, asked.holder) or 0
next_change = next_change or look_again(object, rank)
if code == QUEUED then
  note_look(asked.id, next_change)
  code = object.epoch and QUEUED or ABSENT
end
return {
  code, next_change, object.id, rank + 1, call('ZCARD', object.queue), in_use(object),
  object.permits,
}
