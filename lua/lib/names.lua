-- Names of keys and channels that do not come through KEYS: other waiters, leases, and the objects that a
-- request of several names. All share the hash tag of KEYS[1], the namespace's dirty set.
local PREFIX = string.sub(KEYS[1], 1, -6)

local function request_key(request)
  return PREFIX .. 'request:' .. request
end

local function wake_key(request)
  return PREFIX .. 'wake:' .. request
end

-- Objects that do not exist and that somebody waits for.
local function awaited_key()
  return PREFIX .. 'awaited'
end

-- What a latch's waiters, who stand in no queue, are counted in.
local function waiters_key(meta)
  return meta .. ':waiters'
end

local function names_key(meta)
  return meta .. ':names'
end

local function lease_key(object, holder)
  return object.meta .. ':lease:' .. holder
end

-- 'konductor:{ns}:semaphore:x' -> 'semaphore/x'
local function id_of(meta)
  return (string.gsub(string.sub(meta, #PREFIX + 1), ':', '/', 1))
end

-- 'semaphore/x' -> 'konductor:{ns}:semaphore:x'
local function meta_of(id)
  return PREFIX .. string.gsub(id, '/', ':', 1)
end
