-- Remembers for a minute what a request did, so that its retry answers the same and does nothing again.
--@include lib/base

local function memory_key(object, what)
  return object.meta .. ':did:' .. what
end

local function remember(object, what, outcome)
  call('SET', memory_key(object, what), outcome, 'PX', MEMORY_TTL)
end

local function recall(object, what)
  return call('GET', memory_key(object, what))
end

local function forget(object, what)
  call('DEL', memory_key(object, what))
end

-- The name of a new life of the object: greater than that of any before.
local function next_epoch(object)
  local before = object.epoch or recall(object, 'last-epoch') or '0'
  return text(math.max(NOW_US, tonumber(before) + 1))
end
