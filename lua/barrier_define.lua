-- Creates or updates a barrier. Lowering `expected` to what has arrived opens it; after opening, nothing changes back.
-- KEYS: dirty index meta arrivals cycles waiters events
-- ARGV: owner labels expected quorum timeout cyclic
-- REPLY: code next_change_ms epoch owner
-- GUARANTEE: equal is a no-op; an object owned by a custom resource changes only through it; a new uid, a new epoch.
--@include lib/codes
--@include lib/ownership
--@include lib/barrier

local owner, labels = ARGV[1], ARGV[2]
local spec = {
  expected = text(whole(3, 'expected', 1)), quorum = text(whole(4, 'quorum', 0)),
  timeout = text(whole(5, 'timeout', 0)), cyclic = ARGV[6] == '1' and '1' or '0',
}
local object = latch()
advance(object)

local function differs()
  for field, value in pairs(spec) do
    if object.state[field] ~= value then
      return true
    end
  end
  return object.state.labels ~= labels
end

local function write(event, renew_epoch)
  for field, value in pairs(spec) do
    change(object, field, value)
  end
  change(object, 'owner', owner)
  change(object, 'labels', labels)
  if renew_epoch then
    begin_epoch(object)
  elseif object.state.phase == 'Waiting' then
    set_deadline(object)
  end
  record(object, event, '', '', spec.expected, 'by ' .. owner)
  open_if_complete(object)
  advance(object)
end

local function define()
  local current = object.state.owner
  if not object.epoch then
    call('PERSIST', object.events)
    write('created', true)
    call('SADD', KEYS[2], object.id)
    return CREATED
  elseif is_successor(current, owner) then
    write('replaced', true)
    return CREATED
  elseif not differs() and (current == owner or is_foreign(current, owner)) then
    return UNCHANGED
  elseif is_foreign(current, owner) then
    owner = current
    return OWNED
  end
  -- A barrier that becomes cyclic, or ceases to be, counts in another way: it starts again.
  write('updated', object.state.cyclic ~= spec.cyclic)
  return UPDATED
end

local epoch = object.epoch
local code = define()
finish(object)
if object.epoch ~= epoch then
  broadcast(object, (epoch and 'reset ' or 'defined ') .. object.epoch)
end
return {code, until_moment(deadline(object)), object.epoch, owner}
