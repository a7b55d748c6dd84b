-- Remembers for a minute what a request did, so that its retry answers the same and does nothing again.
-- Two generations bound the size; both carry a TTL from their first write.
--@include lib/base
local GENERATION = 4096

local function remember(object, what, outcome)
  call('HSET', object.memory, what, outcome)
  call('PEXPIRE', object.memory, MEMORY_TTL)
  if call('HLEN', object.memory) >= GENERATION then
    call('RENAME', object.memory, object.memory .. ':old')
  end
end

local function recall(object, what)
  return call('HGET', object.memory, what) or call('HGET', object.memory .. ':old', what)
end

local function forget(object, what)
  call('HDEL', object.memory, what)
  call('HDEL', object.memory .. ':old', what)
end
