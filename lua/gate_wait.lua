-- Says whether the gate is open, and keeps the waiter counted while it is not; has its conditions looked at.
-- KEYS: dirty index meta waiters events
-- ARGV: request who
-- REPLY: code next_change_ms epoch cycle met total deadline_ms reason phase unattended
-- GUARANTEE: a waiter that subscribed before this call misses nothing after it.
--@include lib/codes
--@include lib/gate

local request = ARGV[1]
local object = latch()
if not object.epoch then
  await_creation(object, request)
  return {ABSENT, -1, '', 0, 0, 0, -1, '', '', 0}
end
advance(object)
local code = ({Open = OPEN, Failed = FAILED})[object.state.phase] or WAITING
local next_change, unattended = -1, 0
if code == WAITING then
  register(object, request)
  local asked = ask(object)
  unattended = asked + UNATTENDED_AFTER <= NOW and 1 or 0
  next_change = look_again(object, deadline(object), request)
  if unattended == 0 and asked < math.huge then
    local moment = until_moment(asked + UNATTENDED_AFTER)
    next_change = next_change < 0 and moment or math.min(next_change, moment)
  end
else
  unregister(object, request)
end
tell_progress(object, number(object, 'met'), number(object, 'total'), object.state.reason)
finish(object)
return {
  code, next_change, object.epoch, 1, number(object, 'met'), number(object, 'total'), until_moment(deadline(object)),
  object.state.reason or '', object.state.phase, unattended,
}
