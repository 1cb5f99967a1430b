import { createHash } from 'node:crypto';

/**
 * The guard, as Lua scripts that run atomically beside the data. Rules that they keep:
 * - A document exists when its mark `_` is set, and only then: an empty document differs from a missing one, and a document
 *   that was filled halfway counts as missing.
 * - Versions are decimal text and are compared as text (by length, then by digits): Lua numbers lose digits above 2^53.
 * - All keys of one call share a slot, so that they run in Redis Cluster.
 *
 * Modes: `live` changes an existing document and answers -1 for a missing one; `fill` changes it in any case; `seal` does
 * so too and marks the document as existing. The answer is 1 or 0 per change: applied, or stale.
 */
export interface DocumentScript {
  readonly text: string;
  readonly sha1: string;
}

/** KEYS: hash. ARGV: mode, ttl in ms or 0, then field, version, value for each change; an empty value drops the field. */
export const HASH_SCRIPT = script(`
local key, mode, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])
if mode == 'live' and redis.call('HEXISTS', key, '_') == 0 then return -1 end
local results, changed = {}, mode ~= 'live'
for i = 3, #ARGV, 3 do
  local field, version, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local seen = redis.call('HGET', key, '_v:' .. field)
  if seen and (#version < #seen or (#version == #seen and version <= seen)) then
    results[#results + 1] = 0
  else
    redis.call('HSET', key, '_v:' .. field, version)
    if value == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, value) end
    results[#results + 1] = 1
    changed = true
  end
end
if mode == 'seal' then redis.call('HSET', key, '_', '1') end
if changed and ttl > 0 then redis.call('PEXPIRE', key, ttl) end
return results
`);

/**
 * KEYS: sorted set, set of what it counted (and its mark). ARGV: mode, ttl in ms or 0, then member, version, increment
 * for each change. When only one of the two keys is left (evicted, deleted by hand), neither can be trusted.
 */
export const ZSET_SCRIPT = script(`
local zset, counted, mode, ttl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local mark = redis.call('SISMEMBER', counted, '_')
if (redis.call('EXISTS', zset) == 1) ~= (redis.call('SCARD', counted) > mark) then
  redis.call('DEL', zset, counted)
  mark = 0
end
if mode == 'live' and mark == 0 then return -1 end
local results, changed = {}, mode ~= 'live'
for i = 3, #ARGV, 3 do
  local member, version, by = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local added = redis.call('SADD', counted, version .. ':' .. member)
  if added == 1 then
    redis.call('ZINCRBY', zset, by, member)
    changed = true
  end
  results[#results + 1] = added
end
if mode == 'seal' then redis.call('SADD', counted, '_') end
if changed and ttl > 0 then
  redis.call('PEXPIRE', zset, ttl)
  redis.call('PEXPIRE', counted, ttl)
end
return results
`);

/**
 * KEYS: string. ARGV: mode and ttl, which mean nothing here, then value, version, end in ms since 1970 for each change. What
 * is over already is not written, and an earlier end changes nothing: there is no document that could be missing or stale.
 */
export const STRING_SCRIPT = script(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local results = {}
for i = 3, #ARGV, 3 do
  local left = tonumber(ARGV[i + 2]) - now
  if left > 0 and left > redis.call('PTTL', KEYS[1]) then
    redis.call('SET', KEYS[1], ARGV[i], 'PX', string.format('%d', left))
    results[#results + 1] = 1
  else
    results[#results + 1] = 0
  end
end
return results
`);

/**
 * KEYS: sorted set, set of what it counted. ARGV: limit. The first members by score, best first; among those that tie at
 * the end the first by name. False for a missing document.
 */
export const TOP_SCRIPT = script(`
local zset, counted, limit = KEYS[1], KEYS[2], tonumber(ARGV[1])
if redis.call('SISMEMBER', counted, '_') == 0 then return false end
if redis.call('EXISTS', zset) == 0 and redis.call('SCARD', counted) > 1 then return false end
local last = redis.call('ZREVRANGE', zset, limit - 1, limit - 1, 'WITHSCORES')
if #last == 0 then return redis.call('ZREVRANGE', zset, 0, -1, 'WITHSCORES') end
local best = redis.call('ZRANGEBYSCORE', zset, '(' .. last[2], '+inf', 'WITHSCORES')
local tied = redis.call('ZRANGEBYSCORE', zset, last[2], last[2], 'WITHSCORES', 'LIMIT', 0, limit - #best / 2)
for _, value in ipairs(tied) do best[#best + 1] = value end
return best
`);

function script(text: string): DocumentScript {
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}
