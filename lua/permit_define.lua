-- Creates or updates an object that hands out permits. Growing wakes waiters, shrinking lets the excess drain.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: owner labels permits ttl policy bypass
-- REPLY: code next_change_ms epoch owner
-- GUARANTEE: equal is a no-op; an object owned by a custom resource changes only through it; a new uid, a new epoch.
--@include lib/codes
--@include lib/ownership
--@include lib/lifecycle

local owner, labels = ARGV[1], ARGV[2]
local permits, ttl, policy, bypass = whole(3, 'permits', 0), whole(4, 'ttl', 0), ARGV[5], whole(6, 'bypass', 0)
local object = object_at(4)
local spec = {labels = labels, permits = text(permits), ttl = text(ttl), policy = policy, bypass = text(bypass)}

local function differs()
  for field, value in pairs(spec) do
    if call('HGET', object.meta, field) ~= value then
      return true
    end
  end
  return false
end

local function write(event)
  call('HSET', object.meta, 'owner', owner, 'labels', labels, 'permits', spec.permits, 'ttl', spec.ttl,
    'policy', policy, 'bypass', spec.bypass)
  object.permits, object.ttl, object.terms = permits, ttl, nil
  record(object, event, '', '', spec.permits, 'by ' .. owner)
  eject_impossible(object)
end

local function define()
  if not object.epoch then
    for _, key in ipairs({object.queue, object.ageing, object.waiting, object.events}) do
      call('PERSIST', key)
    end
    begin_epoch(object)
    write('created')
    call('SADD', KEYS[2], object.id)
    return CREATED
  end
  local current = call('HGET', object.meta, 'owner')
  if is_successor(current, owner) then
    begin_epoch(object)
    write('replaced')
    return CREATED
  elseif not differs() and (current == owner or is_foreign(current, owner)) then
    return UNCHANGED
  elseif is_foreign(current, owner) then
    owner = current
    return OWNED
  end
  write('updated')
  return UPDATED
end

local code = define()
finish()
if code == CREATED then
  broadcast(object, 'defined ' .. object.epoch)
end
return {code, until_moment(next_moment(object)), object.epoch, owner}
