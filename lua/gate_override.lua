-- Opens or closes a gate by hand, or lets its conditions decide again; they go on being looked at meanwhile.
-- KEYS: dirty index meta waiters events
-- ARGV: request override
-- REPLY: code next_change_ms epoch phase
-- GUARANTEE: lasts until it is undone, or until a reset; a retry answers as the first call did, and undoes nothing.
--@include lib/codes
--@include lib/gate

local request, override = ARGV[1], ARGV[2]
if override ~= 'Open' and override ~= 'Closed' and override ~= '' then
  error('KONDUCTOR argument override must be Open, Closed or empty, got ' .. override)
end
local object = latch()
if not object.epoch then
  return {ABSENT, -1, '', ''}
end
local before = answered(object, request)
if before then
  return before
end
advance(object)
local code = UNCHANGED
if (object.state.override or '') ~= override then
  code = UPDATED
  change(object, 'override', override)
  settle(object, override ~= '' and 'by hand' or 'by its conditions again')
end
local reply = {code, until_moment(deadline(object)), object.epoch, object.state.phase}
remember(object, request, table.concat(reply, ' '))
finish(object)
return reply
