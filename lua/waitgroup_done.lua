-- Takes off a member that is done, or so many without a name; the last one ends the round and lets all waiters go.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: request member count
-- REPLY: code next_change_ms epoch cycle counter anonymous phase
-- GUARANTEE: a name counts once an epoch; never below zero; a retry answers as the first call did.
--@include lib/codes
--@include lib/waitgroup

local request, member, count = ARGV[1], ARGV[2], whole(3, 'count', 1)
local object = latch()
if not object.epoch then
  return {ABSENT, -1, '', '0', 0, 0, ''}
end
local before = answered(object, request)
if before then
  return before
end

-- A name that nobody added stands for one of the members without a name. Those are looked for as well: a script may
-- write at maxmemory once it has removed something, and who is done must not keep others waiting.
local function take_off()
  if member ~= '' and call('ZSCORE', object.finished, member) then
    return repeated(object)
  elseif call('ZREM', object.members, member) == 1 then
    return FINISHED
  end
  local left = number(object, 'anonymous') - count
  if left < 0 then
    return BELOW
  end
  change(object, 'anonymous', text(left))
  return FINISHED
end

local code = take_off()
if code == FINISHED then
  if member ~= '' then
    call('ZADD', object.finished, text(NOW), member)
  end
  record(object, 'finished', member, '', text(count), 'counter=' .. text(counter(object)))
  if counter(object) == 0 then
    end_round(object)
  end
end
return answer(object, request, code)
