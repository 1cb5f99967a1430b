/**
 * What one step writes, as pgbench scripts: the tables, columns and widths of the product's own statements. Each client has
 * users of its own, so that no two write one stream at the same time. pgbench takes every `:word` for a variable, also within a text.
 */
export type StepScript = 'five' | 'statement' | 'hundred';

/** The parts of a step, by the beginning of the statement that makes them up. */
export const PARTS_OF_STATEMENTS = [
  ['begin', 'BEGIN'],
  ['inbox', 'INSERT INTO my.processed_events'],
  ['load', 'WITH snapshot'],
  ['event', 'INSERT INTO my.events'],
  ['outbox', 'INSERT INTO my.outbox'],
  ['state', 'INSERT INTO my.users'],
  ['commit', 'COMMIT'],
] as const;

const CHARACTER = "'06c96f3e-3b4c-577c-92f2-de80dadbc662', 'Petri'";
const TRACE = "'0af7651916cd43dd8448eb211c80319c'";
const TRACEPARENT = "'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'";
const CAUSE = "'00000000-0000-4000-8000-000000000001'";
const METADATA = `jsonb_build_object('trace_id', ${TRACE}, 'traceparent', ${TRACEPARENT}, 'correlation_id', ${CAUSE}, 'causation_id', ${CAUSE})`;

const payload = (user: string, total: string): string =>
  `jsonb_build_object('user_id', ${user}, 'total_characters', ${total}::bigint, 'last_character_id', '06c96f3e-3b4c-577c-92f2-de80dadbc662', ` +
  `'last_character_name', 'Petri', 'characters_acquired', ${total}::bigint, 'characters_lost', 0, 'cause', 'character_acquired')`;

const INBOX =
  'INSERT INTO my.processed_events (idempotency_key, domain, flow_id, step, event_id, trace_id, started_at, processed_at, result, expires_at)';
// pgbench takes a word behind a colon for a variable, also in a literal.
const inboxRow = (id: string): string =>
  `concat_ws(chr(58), 'my', 'acquired', ${id}), 'my', ${CAUSE}, concat_ws(chr(58), 'my', 'CharacterAcquired'), ${CAUSE}, ${TRACE}, ` +
  `clock_timestamp(), clock_timestamp(), ` +
  `'{"total_characters": 1}'::jsonb, now() + make_interval(days => 31)`;
const EVENT = 'INSERT INTO my.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, metadata, created_at)';
const eventRow = (id: string, user: string, version: string): string =>
  `${id}, 'profile', ${user}, ${version}, 'ProfileUpdated', ${payload(user, version)}, ${METADATA}, now()`;
const OUTBOX =
  'INSERT INTO my.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, request_id, created_at, topic, stream_id, version, ' +
  'traceparent, tracestate, tracingspancontext, correlation_id, causation_id)';
const outboxRow = (id: string, user: string, version: string): string =>
  `${id}, 'my', ${user}, 'ProfileUpdated', ${payload(user, version)}, ${TRACE}, 'request-1', now(), 'my.profile_updated', ${user}, ${version}, ` +
  `${TRACEPARENT}, NULL, 'traceparent=' || ${TRACEPARENT}, ${CAUSE}, ${CAUSE}`;
const STATE = 'INSERT INTO my.users (user_id, total_characters, last_character_id, last_character_name, updated_at)';
const STATE_CONFLICT =
  'ON CONFLICT (user_id) DO UPDATE SET total_characters = EXCLUDED.total_characters, last_character_id = EXCLUDED.last_character_id, ' +
  'last_character_name = EXCLUDED.last_character_name, updated_at = EXCLUDED.updated_at';

const load = (user: string): string =>
  `WITH snapshot AS (SELECT sequence_number FROM my.snapshots WHERE aggregate_type = 'profile' AND aggregate_id = ${user} AND state_version = 2) ` +
  `SELECT coalesce(max(sequence_number), 0) + 1 AS version, count(payload) AS events FROM my.events WHERE aggregate_type = 'profile' ` +
  `AND aggregate_id = ${user} AND sequence_number > coalesce((SELECT sequence_number FROM snapshot), 0)`;

/** @param users of all clients together, the same number for each. */
export function stepScript(script: StepScript, users: number, clients: number): string {
  const each = Math.floor(users / clients);
  const own = (most: number): string => `\\set number :client_id * ${each} + random(1, ${most})`;
  switch (script) {
    case 'five':
      return five(own(each));
    case 'statement':
      return [own(each), `${together(1)};`].join('\n');
    case 'hundred':
      return [own(each - 100), `${together(100)};`].join('\n');
  }
}

function five(setNumber: string): string {
  const user = "'user-' || :number";
  return [
    setNumber,
    'BEGIN;',
    `${INBOX} SELECT ${inboxRow('gen_random_uuid()')} ON CONFLICT DO NOTHING;`,
    `${load(user)} \\gset`,
    `${EVENT} SELECT ${eventRow('gen_random_uuid()', user, ':version')};`,
    `${OUTBOX} SELECT ${outboxRow('gen_random_uuid()', user, ':version')};`,
    `${STATE} VALUES (${user}, :version, ${CHARACTER}, now()) ${STATE_CONFLICT};`,
    'COMMIT;',
  ].join('\n');
}

/** The steps of so many users in one statement. */
function together(steps: number): string {
  const version =
    "(SELECT coalesce(max(sequence_number), 0) + 1 FROM my.events WHERE aggregate_type = 'profile' AND aggregate_id = 'user-' || (:number + n))";
  return (
    `WITH input AS MATERIALIZED (SELECT gen_random_uuid() AS id, 'user-' || (:number + n) AS u, ${version} AS v FROM generate_series(0, ${steps - 1}) n), ` +
    `marked AS (${INBOX} SELECT ${inboxRow('id')} FROM input ON CONFLICT DO NOTHING), ` +
    `appended AS (${EVENT} SELECT ${eventRow('id', 'u', 'v')} FROM input), ` +
    `published AS (${OUTBOX} SELECT ${outboxRow('id', 'u', 'v')} FROM input) ` +
    `${STATE} SELECT u, v::int, ${CHARACTER}, now() FROM input ${STATE_CONFLICT}`
  );
}
