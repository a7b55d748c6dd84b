-- Gives a live lease a new end: now + ttl, not longer than that.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: holder token ttl
-- REPLY: code next_change_ms token expires_in_ms permits
-- GUARANTEE: never revives a lease that has ended; works at maxmemory.
--@include lib/codes
--@include lib/queue

local holder, token, asked = ARGV[1], ARGV[2], whole(3, 'ttl', -1)
local object = object_at(4)
local held = call('ZSCORE', object.leases, holder)
local t = held and call('HMGET', lease_key(object, holder), 'token', 'ttl', 'permits', 'claim')
local answer
if not held then
  answer = {object.epoch and LOST or ABSENT, -1, '', 0, 0}
elseif not t[1] or t[4] or score_of(held) <= NOW or (token ~= '' and token ~= t[1]) then
  answer = {LOST, -1, t[1] or '', 0, 0}
else
  local ttl = asked < 0 and tonumber(t[2]) or asked
  local moment = moment_after(ttl)
  set_expiry(object, holder, moment)
  call('HINCRBY', object.meta, 'renewals', 1)
  if asked >= 0 then
    call('HSET', lease_key(object, holder), 'ttl', text(ttl))
  end
  answer = {RENEWED, -1, t[1], until_moment(moment), tonumber(t[3])}
end
finish()
return answer
