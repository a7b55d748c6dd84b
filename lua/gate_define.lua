-- Creates or updates a gate. Other conditions are looked at anew, as long as the former have come to nothing.
-- KEYS: dirty index meta waiters events
-- ARGV: owner labels conditions total timeout
-- REPLY: code next_change_ms epoch owner
-- GUARANTEE: equal is a no-op; an object owned by a custom resource changes only through it; a new uid, a new epoch.
--@include lib/life
--@include lib/gate

local spec = {
  labels = ARGV[2], conditions = ARGV[3], total = text(whole(4, 'total', 0)), timeout = text(whole(5, 'timeout', 0)),
}
local object = latch()
advance(object)
local former = object.state.conditions

return define(object, ARGV[1], spec, {
  restarts = function() return false end,
  begin = function() begin_epoch(object) end,
  settle = function()
    if object.state.verdict ~= 'Waiting' then
      return
    end
    if former and former ~= spec.conditions then
      for _, field in ipairs({'met', 'checks', 'reason', 'evaluated', 'asked'}) do
        change(object, field, '')
      end
    end
    set_deadline(object)
    advance(object)
  end,
  deadline = function() return deadline(object) end,
})
