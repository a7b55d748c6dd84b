-- What a script leaves behind for others: changed fields, the history, the dirty set, the nudge.
--@include lib/base
--@include lib/names
local DIRTY_KEY = KEYS[1]
local HISTORY_LENGTH = '500'
local DIRTY_LIMIT = 10000

-- Collects a field of the object's hash; save() writes all of them at once. A field set again stands there once: a
-- script that ends thousands of leases must not pass thousands of arguments.
local function set(object, field, value)
  object.fields[field] = value
end

local function save(object)
  local list = {}
  for field, value in pairs(object.fields) do
    list[#list + 1] = field
    list[#list + 1] = value
  end
  if #list > 0 then
    -- Without a change there is only a note on when to look again, which may fail at maxmemory.
    local write = object.changed and call or redis.pcall
    write('HSET', object.meta, unpack(list))
    object.fields = {}
  end
end

-- Fails before the first write if something else lies under one of an object's keys: part -> type that it must have.
local function check_types(object, types)
  for part, wanted in pairs(types) do
    local found = call('TYPE', object[part]).ok
    if found ~= wanted and found ~= 'none' then
      error('WRONGTYPE ' .. object[part] .. ' is a ' .. found .. ' and must be a ' .. wanted)
    end
  end
  local found = call('TYPE', DIRTY_KEY).ok
  if found ~= 'zset' and found ~= 'none' then
    error('WRONGTYPE ' .. DIRTY_KEY .. ' is a ' .. found .. ' and must be a zset')
  end
end

-- Every event has the same fields in the same order: the stream then stores their names once a node.
local function record(object, kind, holder, token, permits, detail)
  call('XADD', object.events, 'MAXLEN', '~', HISTORY_LENGTH, '*', 'type', kind, 'holder', holder,
    'token', token, 'permits', permits, 'detail', detail)
  if not object.epoch then
    call('PEXPIRE', object.events, WAITER_TTL)
  end
  object.changed = true
end

-- The last step of a mutation. A publish that an ACL forbids must not leave work half done.
local function announce(object)
  if call('ZADD', DIRTY_KEY, text(NOW), object.id) == 1 then
    call('PEXPIRE', DIRTY_KEY, DIRTY_TTL)
    if call('ZCARD', DIRTY_KEY) > DIRTY_LIMIT then
      call('ZREMRANGEBYRANK', DIRTY_KEY, 0, 0)
    end
  end
  redis.pcall('PUBLISH', PREFIX .. 'nudge', object.id)
end

-- Notes that somebody waits for an object that does not exist: nothing else would tell of that wait.
local function note_awaited(object)
  call('ZREMRANGEBYSCORE', awaited_key(), '-inf', text(NOW))
  call('ZADD', awaited_key(), text(NOW + WAITER_TTL), object.id)
  call('PEXPIRE', awaited_key(), WAITER_TTL)
end

-- Tells broadcast waiters what happened, with all they need to know.
local function broadcast(object, message)
  redis.pcall('PUBLISH', object.meta .. ':state', message)
end
