-- What all latches share: their hash, their epochs, and waiters that listen to a broadcast instead of queueing.
--@include lib/base
--@include lib/names
--@include lib/journal
--@include lib/memory
--@include lib/listeners
local WATCHERS = 6
local PROGRESS_INTERVAL = 1000

-- The latch whose keys start at KEYS[3], with its hash as it stands. Its kind's zsets are called as their keys end.
local function latch()
  local object = {
    meta = KEYS[3], waiters = KEYS[4], events = KEYS[5], parts = {unpack(KEYS, 6)},
    fields = {}, changed = false, id = id_of(KEYS[3]),
  }
  local types = {waiters = 'zset', events = 'stream'}
  for _, key in ipairs(object.parts) do
    local part = string.match(key, '[^:]+$')
    object[part] = key
    types[part] = 'zset'
  end
  local flat = call('HGETALL', object.meta)
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  object.state = fields
  object.epoch = fields.epoch or false
  if not object.epoch then
    check_types(object, types)
  end
  return object
end

local function number(object, field)
  return tonumber(object.state[field] or '') or 0
end

-- Changes a field both in the hash (with save) and in what this script sees.
local function change(object, field, value)
  object.state[field] = value
  set(object, field, value)
  object.changed = true
end

-- A new life with nothing carried over, but for the answers to requests that may be repeated. `fields` are those of
-- the former life that the new one does not have yet.
local function begin_life(object, phase, fields)
  for _, part in ipairs(object.parts) do
    call('DEL', part)
  end
  object.epoch = next_epoch(object)
  change(object, 'epoch', object.epoch)
  change(object, 'created', text(NOW))
  change(object, 'phase', phase)
  for _, field in ipairs(fields) do
    object.state[field] = nil
    object.fields[field] = nil
    call('HDEL', object.meta, field)
  end
end

-- Registers a broadcast waiter for the count of waiters.
local function register(object, request)
  if keep_listener(object.meta, request) then
    object.changed = true
  end
end

-- Registers a waiter of a latch that does not exist yet.
local function await_creation(object, request)
  keep_listener(object.meta, request)
  note_awaited(object)
end

-- Takes a broadcast waiter out of the count.
local function unregister(object, request)
  if drop_listener(object.meta, request) and object.epoch then
    object.changed = true
  end
end

local function waiting(object)
  return listening(object.meta)
end

-- When a waiter should look by itself: a few at the moment itself, for all others a message will have come.
local function look_again(object, moment, request)
  local left = until_moment(moment)
  if left < 0 then
    return -1
  end
  local rank = call('ZRANK', object.waiters, request) or 0
  return rank <= WATCHERS and left + 25 * rank or left + 250 + 10 * rank
end

-- "open|failed|progress <epoch> <cycle> <count> <target> [reason or waiter]": all a waiter needs to know.
local function tell(object, word, cycle, count, target, reason)
  local message = table.concat({word, object.epoch, cycle, text(count), text(target)}, ' ')
  broadcast(object, reason and message .. ' ' .. reason or message)
end

-- Tells how far a waiting latch is, and what its kind says of that, at most once a second. The waiter that the message
-- names asks again after that, and so tells everybody what was held back.
local function tell_progress(object, count, target, note)
  local shown = text(count) .. (note and ' ' .. note or '')
  if object.state.phase == 'Waiting' and shown ~= (object.state.shown or '0')
    and NOW - number(object, 'progress') >= PROGRESS_INTERVAL then
    change(object, 'progress', text(NOW))
    change(object, 'shown', shown)
    local first = call('ZRANGE', object.waiters, 0, 0)[1]
    tell(object, 'progress', object.state.cycle, count, target, note and (first or '-') .. ' ' .. note or first)
  end
end

-- What a request was answered before, word by word; nil if it is new.
local function answered(object, request)
  local before = recall(object, request)
  if not before then
    return nil
  end
  call('PEXPIRE', memory_key(object, request), MEMORY_TTL) -- whoever waits for replicas must wait for this answer too
  local reply = {}
  for word in string.gmatch(before, '%S+') do
    reply[#reply + 1] = word
  end
  return reply
end

local function finish(object)
  save(object)
  if object.changed then
    announce(object)
  end
end
