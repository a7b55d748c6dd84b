-- All state of one object, as one snapshot; what has expired is freed first.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: holders_limit waiters_limit
-- REPLY: code next_change_ms now_ms in_use holders_total waiters_total fields_count (field value)*
-- REPLY: holders_count (holder expires_ms token permits since ttl pod uid node claim)*
-- REPLY: waiters_count (holder request permits priority since pod)*
-- REPLY: listening listeners_count (request who)*
-- GUARANTEE: consistent within itself; lists are bounded, totals are not.
--@include lib/codes
--@include lib/queue
--@include lib/listeners

local holders_limit, waiters_limit = whole(1, 'holders_limit', 0), whole(2, 'waiters_limit', 0)
local object = object_at(4)
finish()
if not object.epoch then
  return {ABSENT, -1}
end

local function append(reply, values)
  for _, value in ipairs(values) do
    reply[#reply + 1] = value
  end
end

-- Holders in order of expiry, each with its twin's fields.
local function holders()
  local list = {}
  local rows = holders_limit > 0 and call('ZRANGE', object.leases, 0, holders_limit - 1, 'WITHSCORES') or {}
  for i = 1, #rows, 2 do
    local t = call('HMGET', lease_key(object, rows[i]), 'token', 'permits', 'since', 'ttl', 'pod', 'uid', 'node',
      'claim')
    append(list, {rows[i], rows[i + 1]})
    for field = 1, 8 do
      list[#list + 1] = t[field] or ''
    end
  end
  return list, #list / 10
end

-- Waiters in the order in which they will be served.
local function waiters()
  local list = {}
  local ids = waiters_limit > 0 and call('ZRANGE', object.queue, 0, waiters_limit - 1) or {}
  for _, holder in ipairs(ids) do
    local request = request_of(object, holder)
    for _, item in ipairs(request and request.items or {}) do
      if item.id == object.id then
        append(list, {holder, request.id, text(item.amount), text(request.priority), text(request.since),
          request.pod})
      end
    end
  end
  return list, #list / 6
end

-- Of what is done once some only wait until it is done, and stand in no queue.
local is_once = string.sub(object.id, 1, 5) == 'once/'
local fields = call('HGETALL', object.meta)
local holder_list, holder_count = holders()
local waiter_list, waiter_count = waiters()
local reply = {
  READ, until_moment(next_moment(object)), text(NOW), in_use(object), call('ZCARD', object.leases),
  call('ZCARD', object.queue), #fields / 2,
}
append(reply, fields)
reply[#reply + 1] = holder_count
append(reply, holder_list)
reply[#reply + 1] = waiter_count
append(reply, waiter_list)
reply[#reply + 1] = is_once and listening(object.meta) or 0
append_listeners(reply, object.meta, is_once and waiters_limit or 0)
return reply
