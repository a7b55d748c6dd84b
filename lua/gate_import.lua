-- Brings back a gate that Redis has lost, as it was last seen: its epoch, its verdict, and what a hand had done.
-- KEYS: dirty index meta waiters events
-- ARGV: owner labels conditions total timeout epoch created verdict decided override reason met checks
-- REPLY: code next_change_ms epoch owner restored
-- GUARANTEE: acts only where there is no such object, and brings back no life ended since.
--@include lib/codes
--@include lib/gate
--@include lib/restore

local owner, epoch, verdict, override = ARGV[1], text(whole(6, 'epoch', 0)), ARGV[8], ARGV[10]
local decided = whole(9, 'decided', 0)
local fields = {
  owner = owner, labels = ARGV[2], conditions = ARGV[3], total = text(whole(4, 'total', 0)),
  timeout = text(whole(5, 'timeout', 0)), epoch = epoch, created = text(whole(7, 'created', 0)),
  verdict = verdict, override = override, phase = override ~= '' and override or verdict,
  reason = ARGV[11], met = text(whole(12, 'met', 0)), checks = ARGV[13],
}
local object = latch()

local function revive()
  call('PERSIST', object.events)
  begin_epoch(object)
  object.epoch = epoch
  for field, value in pairs(fields) do
    change(object, field, value)
  end
  if decided > 0 then
    change(object, verdict == 'Open' and 'opened' or 'failed', text(decided))
  end
  set_deadline(object)
  call('SADD', KEYS[2], object.id)
  record(object, 'restored', '', '', '', 'for ' .. owner)
  advance(object)
end

local code = restore(object, whole(6, 'epoch', 0), revive, finish)
return {code, until_moment(deadline(object)), object.epoch or '', owner, code == RESTORED and 1 or 0}
