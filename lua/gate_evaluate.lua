-- Notes what the conditions of a gate have come to, as whoever can look at them has found.
-- KEYS: dirty index meta waiters events
-- ARGV: epoch conditions verdict met reason checks
-- REPLY: code next_change_ms epoch phase
-- GUARANTEE: only for the epoch and the conditions that were looked at; a verdict is final; equal is no news.
--@include lib/codes
--@include lib/gate

local epoch, conditions, verdict, met = ARGV[1], ARGV[2], ARGV[3], text(whole(4, 'met', 0))
local reason, checks = ARGV[5], ARGV[6]
local object = latch()
if not object.epoch then
  return {ABSENT, -1, '', ''}
end
advance(object)

local function note()
  local code = UNCHANGED
  for field, value in pairs({met = met, checks = checks, reason = reason}) do
    if (object.state[field] or '') ~= value then
      change(object, field, value)
      code = UPDATED
    end
  end
  set(object, 'evaluated', text(NOW))
  set(object, 'asked', '')
  if verdict ~= 'Waiting' then
    decide(object, verdict, text(NOW), reason)
    code = UPDATED
  end
  tell_progress(object, number(object, 'met'), number(object, 'total'), reason)
  return code
end

local code = UNCHANGED
if epoch ~= object.epoch or conditions ~= object.state.conditions then
  code = RESET
elseif object.state.verdict == 'Waiting' then
  code = note()
end
finish(object)
return {code, until_moment(deadline(object)), object.epoch, object.state.phase}
