-- Brings back a wait group that Redis has lost, as it was last seen: its epoch, its round, and who was not done.
-- KEYS: dirty index meta waiters events members finished
-- ARGV: owner labels epoch created round added anonymous done (member at_ms)*
-- REPLY: code next_change_ms epoch owner restored
-- GUARANTEE: acts only where there is no such object, and brings back no life ended since.
--@include lib/codes
--@include lib/waitgroup
--@include lib/restore

local owner, labels, epoch = ARGV[1], ARGV[2], text(whole(3, 'epoch', 0))
local created, round, added = whole(4, 'created', 0), whole(5, 'round', 1), whole(6, 'added', 0)
local anonymous, done = whole(7, 'anonymous', 0), whole(8, 'done', 0)
local object = latch()

-- The members to bring back, checked before the first write.
local rows = {}
for i = 9, #ARGV, 2 do
  rows[#rows + 1] = {id = ARGV[i], at = text(whole(i + 1, 'at_ms', 0))}
end

local function revive()
  call('PERSIST', object.events)
  begin_epoch(object)
  object.epoch = epoch
  for field, value in pairs({owner = owner, labels = labels, epoch = epoch, created = text(created)}) do
    change(object, field, value)
  end
  for _, member in ipairs(rows) do
    call('ZADD', object.members, member.at, member.id)
  end
  change(object, 'cycle', text(round))
  change(object, 'added', text(added))
  change(object, 'anonymous', text(anonymous))
  local is_done = added > 0 and counter(object) == 0
  change(object, 'phase', added == 0 and 'Idle' or is_done and 'Done' or 'Waiting')
  change(object, 'lastcycle', text(is_done and round or round - 1))
  change(object, 'done', done > 0 and text(done) or '')
  call('SADD', KEYS[2], object.id)
  record(object, 'restored', '', '', text(counter(object)), 'for ' .. owner)
end

local code = restore(object, whole(3, 'epoch', 0), revive, finish)
return {code, -1, object.epoch or '', owner, code == RESTORED and #rows or 0}
