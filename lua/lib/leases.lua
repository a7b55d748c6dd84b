-- One lease: its end, its weight, its token, its readable twin.
--@include lib/permits

-- The moment at which a lease of `ttl` ms ends; 0 means never.
local function moment_after(ttl)
  return ttl == 0 and math.huge or NOW + ttl
end

-- The moment at which a lease ends that a request is granted now; a ttl below zero is the object's own.
local function moment_for(ask, object)
  return moment_after(ask.ttl < 0 and object.ttl or ask.ttl)
end

-- The ttl that a lease goes on with, as its twin says it.
local function ttl_for(ask, object)
  return text(ask.ttl < 0 and object.ttl or ask.ttl)
end

-- Sets a lease's end in both places. The twin first: PEXPIREAT is allowed at maxmemory, and after it ZADD is too.
local function set_expiry(object, holder, moment)
  local twin = lease_key(object, holder)
  if moment == math.huge then
    call('PERSIST', twin)
    call('ZADD', object.leases, '+inf', holder)
  else
    call('PEXPIREAT', twin, text(moment))
    call('ZADD', object.leases, text(moment), holder)
    expect_end(object, moment)
  end
  object.ends = false
  object.changed = true
end

local function set_weight(object, holder, amount, before)
  if amount == 1 then
    call('HDEL', object.weights, holder)
  else
    call('HSET', object.weights, holder, text(amount))
  end
  object.extra = object.extra + amount - before
  set(object, 'extra', text(object.extra))
end

-- Whether a request was cancelled: a late acquire of it must not be granted.
local function is_cancelled(request)
  return call('HGET', request_key(request), 'cancelled')
end

local function end_of(moment)
  return moment == math.huge and '+inf' or text(moment)
end

-- Counts a lease; false if the holder has one already.
local function add_lease(object, holder, moment)
  if call('ZADD', object.leases, 'NX', end_of(moment), holder) == 0 then
    return false
  end
  object.count = object.count and object.count + 1
  object.ends = object.ends and math.min(object.ends, moment)
  expect_end(object, moment)
  return true
end

-- What the twin says beside: the pod that holds, as far as it is known, and whether the lease is yet to be confirmed.
local function owner_fields(ask, claimed)
  local fields = claimed and {'claim', '1'} or {}
  if ask.pod ~= '' then
    fields[#fields + 1], fields[#fields + 2] = 'pod', ask.pod
  end
  if ask.uid ~= '' then
    fields[#fields + 1], fields[#fields + 2] = 'uid', ask.uid
  end
  if ask.node ~= '' then
    fields[#fields + 1], fields[#fields + 2] = 'node', ask.node
  end
  return fields
end

-- Counts how often a lease object goes from one holder to another.
local function count_transition(object, holder)
  local m = call('HMGET', object.meta, 'last', 'transitions')
  if m[1] ~= holder then
    set(object, 'last', holder)
    if m[1] then
      set(object, 'transitions', text((tonumber(m[2]) or 0) + 1))
    end
  end
end

-- Gives a counted lease its token and its readable twin; `ask` is the request: id, holder, ttl, owner fields.
-- Returns the token's text.
local function describe_lease(object, ask, amount, moment, claimed)
  object.token = math.max(object.token + 1, NOW_US)
  object.grants = object.grants + 1
  if string.sub(object.id, 1, 6) == 'lease/' then
    count_transition(object, ask.holder)
  end
  local token, count = text(object.token), text(amount)
  local ends = end_of(moment)
  if amount ~= 1 then
    set_weight(object, ask.holder, amount, 1)
  end
  local twin = lease_key(object, ask.holder)
  call('HSET', twin, 'token', token, 'permits', count, 'since', text(NOW), 'ttl', ttl_for(ask, object),
    'request', ask.id, unpack(owner_fields(ask, claimed)))
  if moment ~= math.huge then
    call('PEXPIREAT', twin, ends)
  end
  set(object, 'token', token)
  set(object, 'grants', text(object.grants))
  record(object, 'granted', ask.holder, token, count, ends)
  return token
end

local function grant(object, ask, amount, moment, claimed)
  add_lease(object, ask.holder, moment)
  return describe_lease(object, ask, amount, moment, claimed)
end
