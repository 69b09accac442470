"""The Lua that makes several changes one. Redis runs a script whole, with nothing in between."""

# KEYS: fence, outbox, history, then the keys that the writes speak of.
# ARGV: epoch, offset, next offset, history length, number of outbox lines, the lines, then writes
# of four: command, index of the key, field, value.
COMMIT = """
local fence = redis.call('HMGET', KEYS[1], 'epoch', 'offset')
local offset = fence[2] or '0'
if fence[1] ~= ARGV[1] then return 'fenced' end
if offset == ARGV[3] and ARGV[2] ~= ARGV[3] then return 'done' end
if offset ~= ARGV[2] then return 'behind' end
local lines = tonumber(ARGV[5])
for i = 6, 5 + lines do
  redis.call('XADD', KEYS[2], '*', 'line', ARGV[i])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'line', ARGV[i])
end
for i = 6 + lines, #ARGV, 4 do
  local command, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  if command == 'hset' then redis.call('HSET', key, ARGV[i + 2], ARGV[i + 3])
  elseif command == 'hdel' then redis.call('HDEL', key, ARGV[i + 2])
  elseif command == 'append' then redis.call('APPEND', key, ARGV[i + 3])
  elseif command == 'set' then redis.call('SET', key, ARGV[i + 3])
  else redis.call('DEL', key) end
end
redis.call('HSET', KEYS[1], 'offset', ARGV[3])
return 'done'
"""

# KEYS: outbox, seen, due, deliveries. ARGV: now, the time before which ids are forgotten, number
# of sinks, then for each entry: its place in the stream, the transition's id, and for each sink
# the delivery's id and body. Whoever deletes an entry fans it out; a transition that was seen
# before (computed again after the store lost a second) is not delivered again.
FAN_OUT = """
local sinks, made, i = tonumber(ARGV[3]), 0, 4
while i <= #ARGV do
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1
    and redis.call('ZADD', KEYS[2], 'NX', ARGV[1], ARGV[i + 1]) == 1 then
    for s = 0, sinks - 1 do
      local id = ARGV[i + 2 + 2 * s]
      redis.call('HSET', KEYS[4], id, ARGV[i + 3 + 2 * s])
      redis.call('ZADD', KEYS[3], ARGV[1], id)
      made = made + 1
    end
  end
  i = i + 2 + 2 * sinks
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[2])
return made
"""

# KEYS: due, deliveries. ARGV: now, when the claim lapses, limit.
CLAIM_DELIVERIES = """
local bodies = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  redis.call('ZADD', KEYS[1], ARGV[2], id)
  local body = redis.call('HGET', KEYS[2], id)
  if body then bodies[#bodies + 1] = body else redis.call('ZREM', KEYS[1], id) end
end
return bodies
"""
