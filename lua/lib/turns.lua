-- Who is next: grants to every waiter whose turn it is, as far as there is room.
--@include lib/requests
local BACKFILL_SCAN = 128

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
