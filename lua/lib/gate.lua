-- What a gate's conditions have come to, and what a hand has done to it. A hand goes before; the verdict is final.
--@include lib/latch
local EVALUATION_REST = 1000

-- When a gate fails that still waits for its conditions, whatever a hand has done to it.
local function deadline(object)
  local moment = number(object, 'deadline')
  return object.state.verdict == 'Waiting' and moment > 0 and moment or math.huge
end

local function set_deadline(object)
  local timeout = number(object, 'timeout')
  change(object, 'deadline', timeout > 0 and text(number(object, 'created') + timeout) or '')
end

local function begin_epoch(object)
  begin_life(object, 'Waiting', {
    'override', 'opened', 'failed', 'reason', 'met', 'checks', 'evaluated', 'asked', 'progress', 'shown',
  })
  change(object, 'verdict', 'Waiting')
  change(object, 'cycle', '1')
  set_deadline(object)
end

local function how_far(object)
  return text(number(object, 'met')) .. '/' .. text(number(object, 'total')) .. ' met'
end

local EVENTS = {Open = 'opened', Failed = 'failed', Closed = 'closed', Waiting = 'waiting'}

-- Brings the phase to what hand and verdict say. Who waits is told; of what ends no wait, to ask what it is.
local function settle(object, why)
  local override = object.state.override or ''
  local phase = override ~= '' and override or object.state.verdict
  if phase == object.state.phase then
    return
  end
  change(object, 'phase', phase)
  record(object, EVENTS[phase], '', '', '', why)
  if phase == 'Open' or phase == 'Failed' then
    drop_listeners(object.meta)
    tell(object, phase == 'Open' and 'open' or 'failed', '1', number(object, 'met'), number(object, 'total'),
      phase == 'Failed' and object.state.reason or nil)
  else
    broadcast(object, 'look ' .. object.epoch)
  end
end

-- The conditions have come to something: for good, until a reset.
local function decide(object, verdict, moment, reason)
  change(object, 'verdict', verdict)
  change(object, verdict == 'Open' and 'opened' or 'failed', moment)
  change(object, 'reason', reason)
  if (object.state.override or '') ~= '' then
    record(object, 'decided', '', '', '', verdict .. ', but ' .. object.state.override .. ' by hand')
  end
  settle(object, reason ~= '' and reason or how_far(object))
end

-- Applies what time has decided: after the deadline a gate that still waits for its conditions has failed.
local function advance(object)
  if object.epoch and deadline(object) <= NOW then
    local missing = object.state.reason or ''
    decide(object, 'Failed', object.state.deadline,
      'timeout with ' .. how_far(object) .. (missing ~= '' and ' (' .. missing .. ')' or ''))
  end
end

-- Asks whoever evaluates gates for a look, unless there was one a moment ago. Returns since when that is asked.
local function ask(object)
  if object.state.verdict ~= 'Waiting' or number(object, 'total') == 0 then
    return math.huge
  end
  local asked = number(object, 'asked')
  if asked > 0 then
    return asked
  elseif NOW - number(object, 'evaluated') < EVALUATION_REST then
    return math.huge
  end
  change(object, 'asked', text(NOW))
  return NOW
end
