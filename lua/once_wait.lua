-- Says whether it is done, and who runs it if it is not. The waiter is noted while it is not.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request who
-- REPLY: code next_change_ms epoch cycle done failures deadline_ms runner
-- GUARANTEE: a waiter that subscribed before this call misses nothing after it.
--@include lib/codes
--@include lib/queue
--@include lib/listeners

local object = object_at(4)
if not object.done then
  object.changed = keep_listener(object.meta, ARGV[1]) and object.epoch or object.changed
end
finish()
if not object.epoch then
  note_awaited(object)
  return {ABSENT, -1, '', 0, 0, 0, -1, ''}
end
local failures = tonumber(call('HGET', object.meta, 'failures') or '0')
if object.done then
  return {OPEN, -1, object.epoch, 1, 1, failures, -1, call('HGET', object.meta, 'executor')}
end
local runner = call('ZRANGE', object.leases, 0, 0)[1] or ''
return {WAITING, -1, object.epoch, 1, 0, failures, -1, runner}
