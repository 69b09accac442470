"""The Lua that makes several changes one. Redis runs a script whole, with nothing in between."""

# KEYS: fence, outbox, history, then the keys that the writes speak of.
# ARGV: epoch, offset, next offset, history length, number of outbox lines, the lines, then writes
# of four: command, index of the key, field, value.
# Redis does not take back what a script did before it failed, so whatever can be wrong is looked
# at before the first write. A full or read-only server refuses that first write itself.
COMMIT = """
local fence = redis.call('HMGET', KEYS[1], 'epoch', 'offset')
local offset = fence[2] or '0'
if fence[1] ~= ARGV[1] then return 'fenced' end
if offset == ARGV[3] and ARGV[2] ~= ARGV[3] then return 'done' end
if offset ~= ARGV[2] then return 'behind' end
local lines = tonumber(ARGV[5])
local needs = { hset = 'hash', hdel = 'hash', append = 'string' }
local held = {}
if lines > 0 then
  for k = 2, 3 do
    local kind = redis.call('TYPE', KEYS[k]).ok
    if kind ~= 'none' and kind ~= 'stream' then return KEYS[k] .. ' is a ' .. kind end
  end
end
for i = 6 + lines, #ARGV, 4 do
  local k, need = tonumber(ARGV[i + 1]), needs[ARGV[i]]
  if need then
    local kind = held[k] or redis.call('TYPE', KEYS[k]).ok
    if kind ~= 'none' and kind ~= need then return KEYS[k] .. ' is a ' .. kind end
    held[k] = ARGV[i] == 'hdel' and kind or need
  else
    held[k] = ARGV[i] == 'set' and 'string' or 'none'
  end
end
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

# KEYS: outbox, seen, deliveries, then one set of due deliveries a sink. ARGV: now, the time
# before which ids are forgotten, then for each entry: its place in the stream, the transition's
# id, and for each sink the delivery's id and body. Whoever deletes an entry fans it out; a
# transition that was seen before (computed again after the store lost a second) is not delivered
# again.
FAN_OUT = """
local sinks, made, i = #KEYS - 3, 0, 3
while i <= #ARGV do
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1
    and redis.call('ZADD', KEYS[2], 'NX', ARGV[1], ARGV[i + 1]) == 1 then
    for s = 1, sinks do
      local id = ARGV[i + 2 * s]
      redis.call('HSET', KEYS[3], id, ARGV[i + 2 * s + 1])
      redis.call('ZADD', KEYS[3 + s], ARGV[1], id)
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

# KEYS: due, deliveries. ARGV: the delivery's id, when it is due, its body. A delivery that somebody
# else settled meanwhile stays settled.
RETRY = """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
"""

# KEYS: due, deliveries, given up. ARGV: the delivery's id, then what to keep of it and of how many,
# where it is given up.
SETTLE = """
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
if ARGV[2] then redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'delivery', ARGV[2]) end
return 1
"""
