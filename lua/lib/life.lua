-- How a latch is made, updated and reset. What its kind adds: the fields of its spec, and what follows from a change.
--@include lib/codes
--@include lib/ownership
--@include lib/latch

local function differs(object, spec)
  for field, value in pairs(spec) do
    if object.state[field] ~= value then
      return true
    end
  end
  return false
end

-- Brings the object to `spec`, which has its labels too. Of its kind there are `begin`, which starts a new life;
-- `restarts`, whether this update is one; `settle`, what follows from a new spec; and `deadline`. Returns the reply.
local function define(object, owner, spec, kind)
  local current, epoch = object.state.owner, object.epoch
  local code, event = UPDATED, 'updated'
  if not epoch then
    code, event = CREATED, 'created'
    call('PERSIST', object.events)
    call('SADD', KEYS[2], object.id)
  elseif is_successor(current, owner) then
    code, event = CREATED, 'replaced'
  elseif not differs(object, spec) and (current == owner or is_foreign(current, owner)) then
    code = UNCHANGED
  elseif is_foreign(current, owner) then
    code, owner = OWNED, current
  end
  if code == CREATED or code == UPDATED then
    local is_new_life = code == CREATED or kind.restarts()
    for field, value in pairs(spec) do
      change(object, field, value)
    end
    change(object, 'owner', owner)
    if is_new_life then
      kind.begin()
    end
    record(object, event, '', '', spec.expected or '', 'by ' .. owner)
    kind.settle()
  end
  finish(object)
  if object.epoch ~= epoch then
    broadcast(object, (epoch and 'reset ' or 'defined ') .. object.epoch)
  end
  return {code, until_moment(kind.deadline()), object.epoch, owner}
end

-- Starts a new epoch at once; waiters go on waiting for it. Returns the reply.
local function reset(object, request, begin, deadline)
  local before = recall(object, request)
  if before then
    return {RESET, until_moment(deadline()), before}
  elseif not object.epoch then
    return {ABSENT, -1, ''}
  end
  begin()
  remember(object, request, object.epoch)
  record(object, 'reset', '', '', '', '')
  finish(object)
  broadcast(object, 'reset ' .. object.epoch)
  return {RESET, until_moment(deadline()), object.epoch}
end
