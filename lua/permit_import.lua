-- Brings back an object that Redis has lost, as it was last seen: its epoch, each lease for one whole ttl more, and
-- what was done once. Each of the leases is: holder token permits since ttl pod uid node.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: owner labels permits ttl policy bypass epoch created done by result leases*
-- REPLY: code next_change_ms epoch owner restored
-- GUARANTEE: acts only where there is no such object, and brings back no lease released since and no life ended since.
--@include lib/codes
--@include lib/lifecycle
--@include lib/restore
local ROW = 8

local owner, labels, policy, epoch = ARGV[1], ARGV[2], ARGV[5], ARGV[7]
local permits, ttl, bypass = whole(3, 'permits', 0), whole(4, 'ttl', 0), whole(6, 'bypass', 0)
local created, done = whole(8, 'created', 0), whole(9, 'done', 0)
local object = object_at(4)
local restored = 0

-- The leases to bring back: rows of ARGV, checked before the first write.
local function rows()
  local list = {}
  for i = 12, #ARGV, ROW do
    list[#list + 1] = {
      holder = ARGV[i], token = whole(i + 1, 'token', 0), permits = whole(i + 2, 'permits', 1),
      since = whole(i + 3, 'since', 0), ttl = whole(i + 4, 'lease ttl', 0), pod = ARGV[i + 5], uid = ARGV[i + 6],
      node = ARGV[i + 7],
    }
  end
  return list
end

-- A holder that gave its lease back while the object was gone left word of it.
local function was_released(lease)
  return (tonumber(recall(object, 'released/' .. lease.holder) or '') or 0) >= lease.since
end

-- Whoever waits under the name of a lease that is back asks again, and goes on with it.
local function call_off_wait(lease)
  local request = call('HGET', object.waiting, lease.holder)
  if request then
    leave_queue(object, lease.holder)
    wake(request, 'look')
  end
end

local function bring_back(lease)
  local moment, twin = moment_after(lease.ttl), lease_key(object, lease.holder)
  call_off_wait(lease)
  add_lease(object, lease.holder, moment)
  if lease.permits ~= 1 then
    set_weight(object, lease.holder, lease.permits, 1)
  end
  call('DEL', twin)
  call('HSET', twin, 'token', text(lease.token), 'permits', text(lease.permits), 'since', text(lease.since), 'ttl',
    text(lease.ttl), 'request', '', 'pod', lease.pod, 'uid', lease.uid, 'node', lease.node)
  if moment ~= math.huge then
    call('PEXPIREAT', twin, text(moment))
  end
  object.token = math.max(object.token, lease.token)
  restored = restored + 1
end

local function revive(leases)
  for _, key in ipairs({object.queue, object.ageing, object.waiting, object.events}) do
    call('PERSIST', key)
  end
  begin_epoch(object)
  object.epoch, object.permits, object.ttl = epoch, permits, ttl
  call('HSET', object.meta, 'owner', owner, 'labels', labels, 'permits', text(permits), 'ttl', text(ttl), 'policy',
    policy, 'bypass', text(bypass), 'epoch', epoch, 'created', text(created))
  call('SADD', KEYS[2], object.id)
  if done > 0 then
    object.done = text(done)
    call('HSET', object.meta, 'done', object.done, 'executor', ARGV[10], 'sealed', '', 'result', ARGV[11])
  end
  for _, lease in ipairs(leases) do
    if not was_released(lease) then
      bring_back(lease)
    end
  end
  set(object, 'token', text(object.token))
  record(object, 'restored', '', '', text(in_use(object)), text(restored) .. ' leases, for ' .. owner)
end

local leases = rows()
local code = restore(object, whole(7, 'epoch', 0), function() revive(leases) end, finish)
return {code, until_moment(next_moment(object)), object.epoch or '', owner, restored}
