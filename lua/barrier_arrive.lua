-- Counts a distinct arrival, and opens the barrier when it was the last one needed.
-- KEYS: dirty index meta waiters events arrivals cycles
-- ARGV: request arrival
-- REPLY: code next_change_ms epoch cycle arrived expected target phase reason
-- GUARANTEE: an id counts once a cycle; a retry answers as the first call did; an acknowledged arrival stays.
--@include lib/codes
--@include lib/barrier

local request, id = ARGV[1], ARGV[2]
local object = latch()
advance(object)

local function repeated(code)
  change(object, 'repeats', text(number(object, 'repeats') + 1))
  return code
end

local function count_arrival()
  if object.state.phase == 'Failed' then
    return FAILED
  elseif call('ZSCORE', object.arrivals, id) then
    return repeated(ALREADY)
  elseif object.state.phase == 'Open' and arrived(object) >= number(object, 'expected') then
    return repeated(OPEN)
  end
  add_arrival(object, id)
  return ARRIVED
end

if not object.epoch then
  return {ABSENT, -1, '', '0', 0, 0, 0, '', ''}
end
local before = answered(object, request)
if before then
  finish(object)
  before[#before + 1] = ''
  return before
end
local cycle = object.state.cycle
local code = count_arrival()
local count, expected, needed = arrived(object), number(object, 'expected'), target(object)
local next_change = until_moment(deadline(object))
if code == ARRIVED then
  open_if_complete(object)
  tell_progress(object, arrived(object), target(object))
end
local phase = tonumber(object.state.lastcycle or '0') >= tonumber(cycle) and 'Open' or object.state.phase
local reply = {code, next_change, object.epoch, cycle, count, expected, needed, phase}
if code ~= FAILED then
  remember(object, request, table.concat(reply, ' '))
end
finish(object)
reply[#reply + 1] = object.state.reason or ''
return reply
