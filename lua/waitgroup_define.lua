-- Creates a wait group, or updates its labels.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: owner labels
-- REPLY: code next_change_ms epoch owner
-- GUARANTEE: equal is a no-op; an object owned by a custom resource changes only through it; a new uid, a new epoch.
--@include lib/life
--@include lib/waitgroup

local object = latch()
return define(object, ARGV[1], {labels = ARGV[2]}, {
  restarts = function() return false end,
  begin = function() begin_epoch(object) end,
  settle = function() end,
  deadline = function() return math.huge end,
})
