-- Whether a runner may end what it runs: it must still have the lease under which it began.
--@include lib/codes
--@include lib/queue

-- The token of the runner's lease; else nil and why it has none.
local function lease_to_run(object, holder, token)
  local ends = call('ZSCORE', object.leases, holder)
  local t = ends and call('HMGET', lease_key(object, holder), 'token', 'claim')
  if t and t[1] and not t[2] and score_of(ends) > NOW and (token == '' or token == t[1]) then
    return t[1]
  end
  local is_late = token ~= '' or recall(object, 'expired/' .. holder) == object.epoch
  return nil, is_late and LOST or NOT_HELD
end

-- Ends the lease; who waits to run is served by finish().
local function stop_running(object, holder)
  drop_lease(object, holder)
  if not call('ZSCORE', object.queue, holder) then
    forget_waiter(object, holder)
  end
end
