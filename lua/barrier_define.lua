-- Creates or updates a barrier. Lowering `expected` to what has arrived opens it; after opening, nothing changes back.
-- KEYS: dirty index meta waiters events arrivals cycles
-- ARGV: owner labels expected quorum timeout cyclic
-- REPLY: code next_change_ms epoch owner
-- GUARANTEE: equal is a no-op; an object owned by a custom resource changes only through it; a new uid, a new epoch.
--@include lib/life
--@include lib/barrier

local spec = {
  labels = ARGV[2], expected = text(whole(3, 'expected', 1)), quorum = text(whole(4, 'quorum', 0)),
  timeout = text(whole(5, 'timeout', 0)), cyclic = ARGV[6] == '1' and '1' or '0',
}
local object = latch()
advance(object)
local was_cyclic = object.state.cyclic

return define(object, ARGV[1], spec, {
  -- A barrier that becomes cyclic, or ceases to be, counts in another way: it starts again.
  restarts = function() return was_cyclic ~= spec.cyclic end,
  begin = function() begin_epoch(object) end,
  settle = function()
    if object.state.phase == 'Waiting' then
      set_deadline(object)
    end
    open_if_complete(object)
    advance(object)
  end,
  deadline = function() return deadline(object) end,
})
