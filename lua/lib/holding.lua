-- A holder that asks for what it has already: it goes on with its lease, under the same token.
--@include lib/codes
--@include lib/queue

-- The object of the first item of a request that passes a test; nil if none does.
local function first_item(ask, test)
  for _, item in ipairs(ask.items) do
    if test(item) then
      return item.object
    end
  end
  return nil
end

-- Kinds whose holders never change their share.
local function is_fixed(object)
  return string.sub(object.id, 1, 6) == 'mutex/' or string.sub(object.id, 1, 8) == 'rwmutex/'
end

-- The lease that the holder already has of an item's object. One whose time is up, or whose twin is gone, is none.
local function lease_of(ask, item)
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
local function keep(ask, item)
  local object, lease = item.object, item.lease
  local twin = lease_key(object, ask.holder)
  set_expiry(object, ask.holder, moment_for(ask, object))
  call('HSET', twin, 'ttl', ttl_for(ask, object))
  if lease.claimed then
    confirm(object, ask.holder, call('HGET', object.waiting, ask.holder))
  end
  if ask.uid ~= '' then -- it may be a later pod of the same name, and must not end with the former
    call('HSET', twin, 'pod', ask.pod, 'uid', ask.uid, 'node', ask.node)
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

-- All or nothing: every lease is looked at before the first is changed.
local function keep_all(ask)
  for _, item in ipairs(ask.items) do
    local code = objection(item)
    if code then
      return code, item.object
    end
  end
  for _, item in ipairs(ask.items) do
    keep(ask, item)
  end
  return GRANTED
end
