-- When a barrier opens and when it fails. A barrier that is not cyclic has the one cycle 1.
--@include lib/latch
local CYCLES_LIMIT = 10000

-- How many distinct arrivals open it.
local function target(object)
  local quorum = number(object, 'quorum')
  return quorum > 0 and quorum or number(object, 'expected')
end

local function is_cyclic(object)
  return object.state.cyclic == '1'
end

local function arrived(object)
  return call('ZCARD', object.arrivals)
end

local function deadline(object)
  local moment = number(object, 'deadline')
  return object.state.phase == 'Waiting' and moment > 0 and moment or math.huge
end

local function open(object)
  local cycle, count = object.state.cycle, arrived(object)
  change(object, 'opened', text(NOW))
  change(object, 'lastcycle', cycle)
  if is_cyclic(object) then
    change(object, 'cycle', text(tonumber(cycle) + 1))
    change(object, 'deadline', '')
    change(object, 'shown', '0')
    call('DEL', object.arrivals)
  else
    change(object, 'phase', 'Open')
  end
  drop_listeners(object.meta)
  record(object, 'opened', '', '', text(count), 'cycle=' .. cycle)
  tell(object, 'open', cycle, count, target(object))
end

-- Applies what time has decided: after the deadline a waiting barrier has failed.
local function advance(object)
  if object.epoch and deadline(object) <= NOW then
    local reason = 'timeout with ' .. text(arrived(object)) .. '/' .. text(target(object)) .. ' arrived'
    change(object, 'phase', 'Failed')
    change(object, 'failed', object.state.deadline)
    change(object, 'reason', reason)
    drop_listeners(object.meta)
    record(object, 'failed', '', '', text(arrived(object)), reason)
    tell(object, 'failed', object.state.cycle, arrived(object), target(object), reason)
  end
end

local function open_if_complete(object)
  if object.state.phase == 'Waiting' and arrived(object) >= target(object) then
    open(object)
  end
end

-- The moment the current cycle fails: counted from the epoch's start, for a cyclic barrier from the first arrival.
local function set_deadline(object)
  local timeout = number(object, 'timeout')
  local start = number(object, 'created')
  if is_cyclic(object) then
    local first = call('ZRANGE', object.arrivals, 0, 0, 'WITHSCORES')
    start = tonumber(first[2] or '')
  end
  change(object, 'deadline', timeout > 0 and start and text(start + timeout) or '')
end

-- Counts an id that has not arrived in the current cycle yet.
local function add_arrival(object, id)
  call('ZADD', object.arrivals, text(NOW), id)
  record(object, 'arrived', id, '', text(arrived(object)), 'cycle=' .. object.state.cycle)
  if is_cyclic(object) then
    call('ZADD', object.cycles, object.state.cycle, id)
    if call('ZCARD', object.cycles) > CYCLES_LIMIT then
      call('ZREMRANGEBYRANK', object.cycles, 0, 0)
    end
    if arrived(object) == 1 then
      set_deadline(object)
    end
  end
end

local function begin_epoch(object)
  begin_life(object, 'Waiting', {'lastcycle', 'opened', 'failed', 'reason', 'progress', 'shown', 'repeats'})
  change(object, 'cycle', '1')
  set_deadline(object)
end
