-- Ends a request that no longer waits: leaves every queue at once and gives back a grant that raced it.
-- KEYS: dirty index seq (meta leases weights queue ageing waiting events)+
-- ARGV: request holder reason
-- REPLY: code next_change_ms
-- GUARANTEE: afterwards the request holds nothing and never will, even if its acquire is still on its way.
--@include lib/codes
--@include lib/queue

local request, holder, reason = ARGV[1], ARGV[2], ARGV[3]
for first = 4, #KEYS, 7 do
  object_at(first)
end
for _, object in ipairs(OBJECTS) do
  local held = call('ZSCORE', object.leases, holder)
  if held and call('HGET', lease_key(object, holder), 'request') == request then
    drop_lease(object, holder)
    record(object, 'returned', holder, '', '', reason)
  end
  if call('HGET', object.waiting, holder) == request then
    leave_queue(object, holder)
    record(object, reason, holder, '', '', '')
    if reason == 'timeout' and object.epoch then
      call('HINCRBY', object.meta, 'timeouts', 1)
    end
  end
end
call('DEL', request_key(request), wake_key(request))
call('HSET', request_key(request), 'cancelled', reason)
call('PEXPIRE', request_key(request), MEMORY_TTL)
finish()
return {CANCELLED, -1}
