-- How many members a wait group has, and when it is done. A round ends each time that the counter comes to zero.
--@include lib/latch

-- Members that are not done yet: those without a name, and those with one.
local function counter(object)
  return number(object, 'anonymous') + call('ZCARD', object.members)
end

local function begin_epoch(object)
  begin_life(object, 'Idle', {'lastcycle', 'anonymous', 'added', 'done', 'progress', 'shown', 'repeats'})
  change(object, 'cycle', '1')
end

local function repeated(object)
  change(object, 'repeats', text(number(object, 'repeats') + 1))
  return ALREADY
end

-- Starts a round with the first member that is added to an idle group, or to one that was done.
local function begin_round(object)
  if object.state.phase == 'Done' then
    change(object, 'cycle', text(number(object, 'cycle') + 1))
  end
  change(object, 'phase', 'Waiting')
end

local function end_round(object)
  local cycle = object.state.cycle
  change(object, 'phase', 'Done')
  change(object, 'done', text(NOW))
  change(object, 'lastcycle', cycle)
  drop_listeners(object.meta)
  record(object, 'done', '', '', object.state.added, 'round=' .. cycle)
  tell(object, 'open', cycle, 0, number(object, 'added'))
end

-- Ends a script that counts: the reply, which a retry gets too. A refusal is not remembered.
local function answer(object, request, code)
  local reply = {
    code, -1, object.epoch, object.state.cycle, text(counter(object)), text(number(object, 'anonymous')),
    object.state.phase,
  }
  if code ~= BELOW then
    remember(object, request, table.concat(reply, ' '))
    tell_progress(object, counter(object), number(object, 'added'))
  end
  finish(object)
  return reply
end
