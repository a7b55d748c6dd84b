-- Brings back a barrier that Redis has lost, as it was last seen: its epoch, its arrivals, and what it had decided.
-- KEYS: dirty index meta waiters events arrivals cycles
-- ARGV: owner labels expected quorum timeout cyclic epoch created phase decided reason cycle (arrival at_ms)*
-- REPLY: code next_change_ms epoch owner restored
-- GUARANTEE: acts only where there is no such object, and brings back no life ended since.
--@include lib/codes
--@include lib/barrier
--@include lib/restore

local owner, labels, epoch, phase = ARGV[1], ARGV[2], ARGV[7], ARGV[9]
local spec = {
  expected = text(whole(3, 'expected', 1)), quorum = text(whole(4, 'quorum', 0)),
  timeout = text(whole(5, 'timeout', 0)), cyclic = ARGV[6] == '1' and '1' or '0',
}
local created, decided = whole(8, 'created', 0), whole(10, 'decided', 0)
local reason, cycle = ARGV[11], whole(12, 'cycle', 1)
local object = latch()

-- The arrivals to bring back, checked before the first write.
local function rows()
  local list = {}
  for i = 13, #ARGV, 2 do
    list[#list + 1] = {id = ARGV[i], at = text(whole(i + 1, 'at_ms', 0))}
  end
  return list
end

-- Opened and failed are final; a cyclic barrier has opened each cycle before the current one.
local function restore_phase()
  change(object, 'phase', phase)
  if phase == 'Failed' then
    change(object, 'failed', text(decided))
    change(object, 'reason', reason)
  elseif phase == 'Open' then
    change(object, 'lastcycle', '1')
    change(object, 'opened', text(decided))
  elseif cycle > 1 then
    change(object, 'cycle', text(cycle))
    change(object, 'lastcycle', text(cycle - 1))
    change(object, 'opened', text(decided))
  end
end

local function revive(arrivals)
  call('PERSIST', object.events)
  for field, value in pairs(spec) do
    change(object, field, value)
  end
  change(object, 'owner', owner)
  change(object, 'labels', labels)
  begin_epoch(object)
  object.epoch = epoch
  change(object, 'epoch', epoch)
  change(object, 'created', text(created))
  for _, arrival in ipairs(arrivals) do
    call('ZADD', object.arrivals, arrival.at, arrival.id)
    if is_cyclic(object) then
      call('ZADD', object.cycles, text(cycle), arrival.id)
    end
  end
  restore_phase()
  set_deadline(object)
  call('SADD', KEYS[2], object.id)
  record(object, 'restored', '', '', text(arrived(object)), 'for ' .. owner)
  open_if_complete(object)
  advance(object)
end

local arrivals = rows()
local code = restore(object, whole(7, 'epoch', 0), function() revive(arrivals) end, finish)
return {code, until_moment(deadline(object)), object.epoch or '', owner, code == RESTORED and #arrivals or 0}
