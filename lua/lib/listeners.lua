-- Who listens to an object's broadcasts until it opens: requests that count as alive until a moment, and who each is.
--@include lib/base
--@include lib/names
local FORGOTTEN_AT_ONCE = 1000

local function forget_dead(waiters, names)
  local dead = call('ZRANGEBYSCORE', waiters, '-inf', text(NOW), 'LIMIT', 0, FORGOTTEN_AT_ONCE)
  if #dead > 0 then
    call('ZREM', waiters, unpack(dead))
    call('HDEL', names, unpack(dead))
  end
end

-- Keeps a listener counted, and true for a new one; one that stops its heartbeat falls out by itself. Who it is
-- (`<pod> <holder>`) is the last argument of every script that waits.
local function keep_listener(meta, request)
  local waiters, names, who = waiters_key(meta), names_key(meta), ARGV[#ARGV]
  forget_dead(waiters, names)
  local is_new = call('ZADD', waiters, text(NOW + WAITER_TTL), request) == 1
  if is_new and who ~= '' then
    call('HSET', names, request, text(NOW) .. ' ' .. who)
  end
  call('PEXPIRE', waiters, WAITER_TTL)
  call('PEXPIRE', names, WAITER_TTL)
  return is_new
end

-- True if there was such a listener.
local function drop_listener(meta, request)
  call('HDEL', names_key(meta), request)
  return call('ZREM', waiters_key(meta), request) == 1
end

local function drop_listeners(meta)
  call('DEL', waiters_key(meta), names_key(meta))
end

local function listening(meta)
  return call('ZCOUNT', waiters_key(meta), '(' .. text(NOW), '+inf')
end

-- Appends up to `limit` living listeners to a reply: their number, then of each its request, and since when and who.
local function append_listeners(reply, meta, limit)
  local ids = limit > 0
    and call('ZRANGEBYSCORE', waiters_key(meta), '(' .. text(NOW), '+inf', 'LIMIT', 0, limit) or {}
  local names = #ids > 0 and call('HMGET', names_key(meta), unpack(ids)) or {}
  reply[#reply + 1] = #ids
  for i, id in ipairs(ids) do
    reply[#reply + 1] = id
    reply[#reply + 1] = names[i] or ''
  end
end
