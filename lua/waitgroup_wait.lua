-- Says whether the awaited round has ended, and keeps the waiter counted while it has not.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: request cycle allow_idle who
-- REPLY: code next_change_ms epoch cycle counter added deadline_ms phase
-- GUARANTEE: a waiter that subscribed before this call misses nothing after it.
--@include lib/codes
--@include lib/waitgroup

local request, cycle, allow_idle = ARGV[1], whole(2, 'cycle', 0), ARGV[3] == '1'
local object = latch()
if not object.epoch then
  await_creation(object, request)
  return {ABSENT, -1, '', 0, 0, 0, -1, ''}
end
local phase = object.state.phase
local wanted = cycle > 0 and cycle or number(object, 'cycle')
local code = WAITING
if phase == 'Done' or number(object, 'lastcycle') >= wanted or (phase == 'Idle' and allow_idle) then
  code = OPEN
  unregister(object, request)
else
  register(object, request)
end
tell_progress(object, counter(object), number(object, 'added'))
finish(object)
return {code, -1, object.epoch, wanted, counter(object), number(object, 'added'), -1, phase}
