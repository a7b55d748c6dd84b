-- Says whether the awaited cycle has opened, and keeps the waiter counted while it has not.
-- KEYS: dirty index meta waiters events arrivals cycles
-- ARGV: request holder cycle epoch who
-- REPLY: code next_change_ms epoch cycle arrived target deadline_ms reason
-- GUARANTEE: who subscribed before misses nothing after; who is bound to an epoch arrives again where that was lost.
--@include lib/codes
--@include lib/barrier

local request, holder, cycle, epoch = ARGV[1], ARGV[2], whole(3, 'cycle', 0), ARGV[4]
local object = latch()
if not object.epoch then
  await_creation(object, request)
  return {ABSENT, -1, '', 0, 0, 0, -1, ''}
end
advance(object)

-- The cycle asked for, else the last one the holder arrived in, else the current one.
local function awaited()
  if not is_cyclic(object) then
    return 1
  elseif cycle > 0 then
    return cycle
  end
  return tonumber(call('ZSCORE', object.cycles, holder) or object.state.cycle)
end

local wanted = awaited()

local function arrive_again()
  local current = tonumber(object.state.cycle)
  if object.state.phase == 'Waiting' and wanted >= current and not call('ZSCORE', object.arrivals, holder) then
    wanted = current
    add_arrival(object, holder)
    open_if_complete(object)
  end
end

local function answer()
  if epoch ~= '' and epoch ~= object.epoch then
    return RESET
  elseif epoch ~= '' then
    arrive_again()
  end
  if number(object, 'lastcycle') >= wanted then
    return OPEN
  elseif object.state.phase == 'Failed' then
    return FAILED
  end
  register(object, request)
  return WAITING
end

local code = answer()
if code ~= WAITING then
  unregister(object, request)
end
tell_progress(object, arrived(object), target(object))
finish(object)
local count = code == OPEN and is_cyclic(object) and target(object) or arrived(object)
return {
  code, code == WAITING and look_again(object, deadline(object), request) or -1, object.epoch, wanted, count,
  target(object), until_moment(deadline(object)), object.state.reason or '',
}
