-- What a read script says of a latch: the reply's head, all fields of its hash, and up to `limit` rows of a zset.
--@include lib/latch

local function with_fields(object, head)
  local fields = call('HGETALL', object.meta)
  head[#head + 1] = #fields / 2
  for _, value in ipairs(fields) do
    head[#head + 1] = value
  end
  return head
end

local function snapshot(object, head, zset, limit)
  local rows = limit > 0 and call('ZRANGE', zset, 0, limit - 1, 'WITHSCORES') or {}
  with_fields(object, head)
  head[#head + 1] = #rows / 2
  for _, value in ipairs(rows) do
    head[#head + 1] = value
  end
  return head
end
