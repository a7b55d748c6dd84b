-- A request that has to wait: its own hash, its places in the queues, and another waiter of the same holder.
--@include lib/codes
--@include lib/queue

-- Ends a request whose waiter is dead; this one gets its place in the queue, but asks for what it asks for itself.
local function take_place(ask, object, rival)
  local old = read_request(rival)
  for _, item in ipairs(old.items) do
    local other = object_named(item.id)
    if call('HGET', other.waiting, ask.holder) == rival then
      leave_queue(other, ask.holder)
    end
  end
  call('DEL', request_key(rival), wake_key(rival))
  ask.seq, ask.since, ask.aged = old.seq, old.since, old.aged
  record(object, 'replaced', ask.holder, '', '', '')
end

-- Another request of the same holder waits. It is asked for a sign of life; without one, this request takes its place.
local function challenge(ask, object, rival)
  local p = call('HMGET', request_key(rival), 'probe', 'probed', 'answered')
  if p[3] == ask.id then
    return DUPLICATE, -1
  end
  if p[1] ~= ask.id then
    call('HSET', request_key(rival), 'probe', ask.id, 'probed', text(NOW))
    wake(rival, 'probe')
    return PROBING, PROBE_WINDOW
  end
  local left = tonumber(p[2]) + PROBE_WINDOW - NOW
  if left > 0 then
    return PROBING, left
  end
  take_place(ask, object, rival)
  return nil, -1
end

-- The request's hash, made or refreshed. A probe is answered by the waiter's next call, which is this one.
local function keep_request(ask)
  local key = request_key(ask.id)
  local known = read_request(ask.id)
  if not known then
    local bypass = math.huge
    local names = {}
    for i, item in ipairs(ask.items) do
      bypass = math.min(bypass, item.object.epoch and terms_of(item.object).bypass or MAX_BYPASS)
      names[i] = item.id .. '=' .. text(item.amount)
    end
    if not ask.seq then
      ask.seq, ask.since, ask.aged = call('INCR', KEYS[3]), NOW, NOW + bypass
    end
    call('HSET', key, 'holder', ask.holder, 'items', table.concat(names, ' '), 'priority', text(ask.priority),
      'seq', text(ask.seq), 'since', text(ask.since), 'aged', text(ask.aged), 'ttl', text(ask.ttl), 'pod', ask.pod,
      'uid', ask.uid, 'node', ask.node)
    known = ask
  else
    local probe = call('HGET', key, 'probe')
    if probe then
      call('HSET', key, 'answered', probe)
      call('HDEL', key, 'probe', 'probed')
    end
  end
  call('PEXPIRE', key, WAITER_TTL)
  call('PEXPIRE', KEYS[3], WAITER_TTL)
  return known
end

-- Puts the request into the queues where it does not stand yet; one that was skipped alive comes back to its place.
local function join_queues(ask, request)
  for _, item in ipairs(ask.items) do
    local object = item.object
    if not call('ZSCORE', object.queue, ask.holder) then
      call('ZADD', object.queue, order_of(request), ask.holder)
      object.head = nil
      call('ZADD', object.ageing, text(request.aged), ask.holder)
      object.promoted = object.promoted and request.aged > NOW
      object.waiters = object.waiters + call('HSET', object.waiting, ask.holder, ask.id)
      if object.epoch then
        expect_end(object, 0)
      end
      record(object, 'queued', ask.holder, '', text(item.amount), 'seq=' .. text(request.seq) .. ' priority=' ..
        text(request.priority))
    end
    if not object.epoch then
      for _, key in ipairs({object.queue, object.ageing, object.waiting}) do
        call('PEXPIRE', key, WAITER_TTL)
      end
      note_awaited(object)
    end
  end
end
