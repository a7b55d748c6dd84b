-- The end of every script of permits: grants to whom it is due, and tells those who have to look, and when.
--@include lib/turns
local WATCHERS = 6

-- When the object changes by itself: the next expiry, or with free permits the next ageing.
local function next_moment(object)
  local moment = next_expiry(object)
  if object.waiters > 0 and in_use(object) < object.permits then
    local first = call('ZRANGE', object.ageing, 0, 0, 'WITHSCORES')
    if first[2] then
      moment = math.min(moment, tonumber(first[2]))
    end
  end
  return moment
end

-- When the waiter of a rank (0 is the head) should look again. The head acts at the very moment; a few behind it
-- shortly after, for the case that it is dead; all others a claim window later each. While grants come and go they look
-- sooner, so that nobody need be told when it becomes the head.
local function look_again(object, rank)
  local moment = object.moment or next_moment(object)
  local is_watched = rank > 0 and terms_of(object).watched > NOW
  if is_watched then
    moment = math.min(moment, terms_of(object).watched)
  end
  local left = until_moment(moment)
  if left < 0 then
    return -1
  elseif rank <= WATCHERS or is_watched then
    return left + 25 * rank
  end
  return left + CLAIM_WINDOW * (rank - WATCHERS)
end

-- Notes when a waiter will look by itself. Without memory to spare it is told once too often.
local function note_look(id, ms)
  redis.pcall('HSET', request_key(id), 'look', text(ms < 0 and 0 or NOW + ms))
end

-- Tells a waiter when to look, unless it will have looked by then. A look that it has missed stays noted.
local function tell_to_look(object, holder, word, ms)
  local id = call('HGET', object.waiting, holder)
  if not id or id == CALLER then
    return
  end
  local planned = tonumber(call('HGET', request_key(id), 'look') or '')
  if ms >= 0 and planned and planned > NOW and planned <= NOW + ms then
    return
  end
  wake(id, word .. ' ' .. text(ms))
  if planned and (planned == 0 or planned > NOW) then -- never make a forgotten request come back without a TTL
    note_look(id, ms)
  end
end

-- Tells the few behind the head when to look, in case it is dead, if they would look too late: `watched` is the moment
-- at which all of them will. New grants lapse a claim window from now, so this costs a few messages in that time.
local function arm_watchers(object, moment)
  if not object.epoch or not (object.changed or CALLER) or moment == math.huge then
    return
  end
  local terms = terms_of(object)
  if NOW < terms.watched and terms.watched <= moment then
    return
  end
  local watchers = call('ZRANGE', object.queue, 1, WATCHERS)
  for rank, holder in ipairs(watchers) do
    tell_to_look(object, holder, 'watch', until_moment(moment) + 25 * rank)
  end
  if #watchers > 0 then
    terms.watched = moment
    set(object, 'watched', text(moment))
  end
end

-- Tells the head when to look, if it is a new one or its moment came closer.
local function arm(object)
  local head = object.waiters > 0 and head_of(object)
  if not head then
    return
  end
  local moment = next_moment(object)
  object.moment = moment -- nothing changes it any more
  if head ~= object.head_before or moment < object.expiry_before then
    tell_to_look(object, head, 'arm', until_moment(moment))
  end
  arm_watchers(object, moment)
end

-- The end of every script of permits: grant, re-arm, save; the messages last.
local function finish()
  serve()
  for _, object in ipairs(OBJECTS) do
    arm(object)
    save(object)
  end
  for _, object in ipairs(OBJECTS) do
    if object.changed then
      announce(object)
    end
  end
end
