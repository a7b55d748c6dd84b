-- Who waits for objects that do not exist: in a queue, or listening.
-- KEYS: dirty awaited
-- ARGV: objects_limit waiters_limit
-- REPLY: code next_change_ms now_ms waiters_count (object holder request permits priority since pod)*
-- REPLY: objects_count (object listeners_count (request who)*)*
-- GUARANTEE: consistent within itself; only objects that are awaited now, up to the limits.
--@include lib/codes
--@include lib/requests
--@include lib/listeners

local objects_limit, waiters_limit = whole(1, 'objects_limit', 0), whole(2, 'waiters_limit', 0)
local absent = {}
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[2], '(' .. text(NOW), '+inf', 'LIMIT', 0, objects_limit)) do
  if not call('HGET', meta_of(id), 'epoch') then
    absent[#absent + 1] = id
  end
end

-- The request of a holder that stands in an object's queue as that object sees it; nil once it is forgotten.
local function row_of(id, holder)
  local request = call('HGET', meta_of(id) .. ':waiting', holder)
  request = request and read_request(request)
  for _, item in ipairs(request and request.items or {}) do
    if item.id == id then
      return {
        id, holder, request.id, text(item.amount), text(request.priority), text(request.since), request.pod,
      }
    end
  end
  return nil
end

local rows = {}
for _, id in ipairs(absent) do
  local room = waiters_limit - #rows
  for _, holder in ipairs(room > 0 and call('ZRANGE', meta_of(id) .. ':queue', 0, room - 1) or {}) do
    rows[#rows + 1] = row_of(id, holder)
  end
end

local reply = {READ, -1, text(NOW), #rows}
for _, row in ipairs(rows) do
  for _, value in ipairs(row) do
    reply[#reply + 1] = value
  end
end
reply[#reply + 1] = #absent
for _, id in ipairs(absent) do
  reply[#reply + 1] = id
  append_listeners(reply, meta_of(id), waiters_limit)
end
return reply
