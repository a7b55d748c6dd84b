-- What a read script says of a latch: the reply's head, all fields of its hash, up to so many rows of a zset if its
-- kind has one to show, and so many of its waiters.
--@include lib/latch

local function snapshot(object, head, zset, limit, waiters_limit)
  local fields = call('HGETALL', object.meta)
  head[#head + 1] = #fields / 2
  for _, value in ipairs(fields) do
    head[#head + 1] = value
  end
  if zset then
    local rows = limit > 0 and call('ZRANGE', zset, 0, limit - 1, 'WITHSCORES') or {}
    head[#head + 1] = #rows / 2
    for _, value in ipairs(rows) do
      head[#head + 1] = value
    end
  end
  append_listeners(head, object.meta, waiters_limit)
  return head
end
