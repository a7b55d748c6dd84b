-- Notes that what was to be done once is done. Nobody runs it again, and everybody who waits is told.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request holder token result
-- REPLY: code next_change_ms executor
-- GUARANTEE: one completion an epoch, by whoever has the lease to run; a retry answers as the first call did.
--@include lib/once
--@include lib/listeners

local request, holder, token, result = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local object = object_at(4)

-- The runner may say again what it has said; anybody else comes too late. Whoever waits for replicas must wait for this
-- answer too, so it writes what is there already.
local function repeated()
  local t = call('HMGET', object.meta, 'executor', 'sealed')
  if t[1] ~= holder or (token ~= '' and token ~= t[2]) then
    return DONE, t[1]
  end
  redis.pcall('HSET', object.meta, 'executor', holder)
  return ALREADY, holder
end

-- All who wait to run ask again, and learn that it is done.
local function dismiss_queue()
  for _, waiter in ipairs(call('ZRANGE', object.queue, 0, -1)) do
    local id = call('HGET', object.waiting, waiter)
    leave_queue(object, waiter)
    if id then
      wake(id, 'look')
    end
  end
end

local function complete()
  local current, refusal = lease_to_run(object, holder, token)
  if not current then
    return refusal, ''
  end
  stop_running(object, holder)
  dismiss_queue()
  drop_listeners(object.meta)
  object.done = text(NOW)
  call('HSET', object.meta, 'done', object.done, 'executor', holder, 'sealed', current, 'result', result)
  remember(object, request, holder)
  record(object, 'completed', holder, current, '', result)
  return COMPLETED, holder
end

local function decide()
  local before = recall(object, request)
  if before then
    call('PEXPIRE', memory_key(object, request), MEMORY_TTL) -- as above
    return COMPLETED, before
  elseif not object.epoch then
    return ABSENT, ''
  elseif object.done then
    return repeated()
  end
  return complete()
end

local code, executor = decide()
finish()
if code == COMPLETED then
  broadcast(object, 'open ' .. object.epoch .. ' 1 1 1 ' .. executor)
end
return {code, until_moment(next_moment(object)), executor}
