-- Ends a lease whose owner is gone, and grants its permits to the waiters whose turn it is.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: holder token uid
-- REPLY: code next_change_ms
-- GUARANTEE: only the very lease that was looked at: another owner, or another grant, keeps what it has.
--@include lib/codes
--@include lib/queue

local holder, token, uid = ARGV[1], ARGV[2], ARGV[3]
local object = object_at(4)
local t = call('HMGET', lease_key(object, holder), 'token', 'uid')
local code = NOT_HELD
if t[1] == token and (t[2] or '') == uid and drop_lease(object, holder) then
  record(object, 'reclaimed', holder, token, '', uid ~= '' and 'pod ' .. uid .. ' is gone' or 'its pod is gone')
  if not call('ZSCORE', object.queue, holder) then
    forget_waiter(object, holder)
  end
  code = RELEASED
end
finish()
return {code, until_moment(next_moment(object))}
