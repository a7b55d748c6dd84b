-- Bringing back what Redis has lost: only where there is no such object, and none of its lives has ended since.
--@include lib/codes
--@include lib/journal
--@include lib/memory

--- `conclude` is `finish` of the mechanism. Returns the code of the reply.
local function restore(object, epoch, revive, conclude)
  local ended = tonumber(recall(object, 'last-epoch') or '') or 0
  local is_lost = not object.epoch and ended < epoch
  if is_lost then
    revive()
  end
  conclude(object)
  if is_lost then
    broadcast(object, 'defined ' .. object.epoch)
  end
  return is_lost and RESTORED or UNCHANGED
end
