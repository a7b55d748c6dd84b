-- Adds a member with a name, or so many without one.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: request member count
-- REPLY: code next_change_ms epoch cycle counter anonymous phase
-- GUARANTEE: a name counts once an epoch; a retry answers as the first call did.
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

local function add()
  if member == '' then
    change(object, 'anonymous', text(number(object, 'anonymous') + count))
  elseif call('ZSCORE', object.members, member) or call('ZSCORE', object.finished, member) then
    return repeated(object)
  else
    call('ZADD', object.members, text(NOW), member)
  end
  change(object, 'added', text(number(object, 'added') + count))
  if object.state.phase ~= 'Waiting' then
    begin_round(object)
  end
  record(object, 'added', member, '', text(count), 'counter=' .. text(counter(object)))
  return ADDED
end

return answer(object, request, add())
