-- The beginning and the end of an epoch of an object that hands out permits.
--@include lib/queue

-- Ends all leases without a word to their holders: their next renewal says `lost`.
local function drop_leases(object)
  for _, holder in ipairs(call('ZRANGE', object.leases, 0, -1)) do
    call('DEL', lease_key(object, holder))
    if not call('ZSCORE', object.queue, holder) then
      leave_queue(object, holder)
    end
  end
  call('DEL', object.leases, object.weights)
  object.count = 0
  object.ends = false
  object.extra = 0
end

-- A new life: nothing held, nothing counted. Who waits goes on waiting, for the new life. Tokens and epochs grow over
-- a deletion too, also if the clock has gone back since.
local function begin_epoch(object)
  drop_leases(object)
  object.epoch = next_epoch(object)
  object.token = math.max(object.token, tonumber(recall(object, 'last-token') or '0'))
  object.grants = 0
  object.calm = 0
  object.done = false
  object.expiries = 0
  call('HDEL', object.meta, 'refusals', 'timeouts', 'waited', 'longest', 'renewals', 'last', 'transitions',
    'done', 'executor', 'sealed', 'result', 'failures', 'failed', 'failer', 'reason')
  call('HSET', object.meta, 'epoch', object.epoch, 'created', text(NOW), 'token', text(object.token), 'extra', '0',
    'grants', '0', 'expiries', '0', 'calm', '0')
  object.fields = {}
  object.changed = true
end

-- Queued requests that can never be granted any more are sent to ask again, and are told why.
local function eject_impossible(object)
  if object.waiters == 0 or object.permits == 0 then
    return
  end
  for _, holder in ipairs(call('ZRANGE', object.queue, 0, -1)) do
    local request = request_of(object, holder)
    for _, item in ipairs(request and request.items or {}) do
      if item.id == object.id and item.amount > object.permits then
        for _, other in ipairs(request.items) do
          leave_queue(object_named(other.id), holder)
        end
        record(object, 'ejected', holder, '', text(item.amount), '')
        wake(request.id, 'look')
      end
    end
  end
end
