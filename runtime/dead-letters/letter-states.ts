import type { Offset } from '../../core/offset.ts';
import type { Database, Session } from '../postgres/database.ts';
import type { Letter } from './letter.ts';
import { formatPlace } from './letter.ts';

/**
 * `open`: nobody has handled it. `archived`: neither, but it is in a file. `replayed`: it was given back to its group.
 * `discarded`: somebody decided that it needs no handling.
 */
export const LETTER_STATES = ['open', 'archived', 'replayed', 'discarded'] as const;
export type LetterState = (typeof LETTER_STATES)[number];

/** A letter, whose it is, and the id of its topic: the place means another letter once the topic was made again. */
export interface AddressedLetter {
  readonly letter: Letter;
  readonly topicId: string;
  /** The consumer group, or `capture.<domain>`. */
  readonly group: string;
}

export interface LetterDecision {
  readonly state: Exclude<LetterState, 'open'>;
  /** Who decided: a person, a token's subject, or a part of the pipeline. */
  readonly actor: string;
  /** What a later reader should know beside it. */
  readonly detail?: string | undefined;
}

export interface AuditEntry {
  readonly action: string;
  readonly actor: string;
  readonly detail: string | null;
  /** ISO 8601, UTC. */
  readonly at: string;
}

export interface StateCount {
  readonly topicId: string;
  readonly state: LetterState;
  readonly letters: number;
}

/** Of the topic with this id the letters from `earliest` on. */
export interface HeldPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly earliest: Offset;
}

interface PartitionSpan {
  readonly topicId: string;
  readonly partition: number;
  readonly from: Offset;
  /** Exclusive. */
  readonly to: Offset;
}

/** What became of letters, in the platform's database. Everything rejects with POSTGRES_UNAVAILABLE while that is away. */
export class LetterStates {
  private readonly platform: Database;

  constructor(platform: Database) {
    this.platform = platform;
  }

  /** The offsets that are not open. */
  async between(span: PartitionSpan, session: Session = this.platform): Promise<ReadonlyMap<Offset, LetterState>> {
    const rows = await session.query<{ record_offset: Offset; state: LetterState }>(
      `SELECT record_offset, state FROM millrace.dead_letter_states
       WHERE topic_id = $1 AND partition = $2 AND record_offset >= $3 AND record_offset < $4`,
      [span.topicId, span.partition, span.from, span.to],
    );
    return new Map(rows.map((row) => [row.record_offset, row.state]));
  }

  /** Of these letters, by their formatted place; those that are open are left out. */
  async of(
    letters: readonly Pick<AddressedLetter, 'letter' | 'topicId'>[],
    session: Session = this.platform,
  ): Promise<ReadonlyMap<string, LetterState>> {
    if (letters.length === 0) return new Map();
    const rows = await session.query<{ topic: string; partition: number; record_offset: Offset; state: LetterState }>(
      `SELECT s.topic, s.partition, s.record_offset, s.state
       FROM unnest($1::text[], $2::int[], $3::bigint[]) AS l (topic_id, partition, record_offset)
       JOIN millrace.dead_letter_states s USING (topic_id, partition, record_offset)`,
      [
        letters.map(({ topicId }) => topicId),
        letters.map(({ letter }) => letter.place.partition),
        letters.map(({ letter }) => letter.place.offset),
      ],
    );
    return new Map(rows.map(({ topic, partition, record_offset: offset, state }) => [formatPlace({ topic, partition, offset }), state]));
  }

  /**
   * Of these letters, by topic id and formatted place with a space between them, those that somebody has decided on, by the audit: states are forgotten
   * with the letters' topics, the audit is not.
   */
  async decidedOf(
    letters: readonly Pick<AddressedLetter, 'letter' | 'topicId'>[],
    session: Session = this.platform,
  ): Promise<ReadonlyMap<string, LetterState>> {
    if (letters.length === 0) return new Map();
    const rows = await session.query<{ topic_id: string; topic: string; partition: number; record_offset: Offset; action: LetterState }>(
      `SELECT l.topic_id, l.topic, l.partition, l.record_offset, last.action
       FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) AS l (topic_id, topic, partition, record_offset)
       CROSS JOIN LATERAL (
         SELECT action FROM millrace.dead_letter_audit a
         WHERE a.topic = l.topic AND a.partition = l.partition AND a.record_offset = l.record_offset AND a.topic_id = l.topic_id
           AND a.action IN ('replayed', 'discarded') ORDER BY audit_id DESC LIMIT 1
       ) AS last`,
      [
        letters.map(({ topicId }) => topicId),
        letters.map(({ letter }) => letter.place.topic),
        letters.map(({ letter }) => letter.place.partition),
        letters.map(({ letter }) => letter.place.offset),
      ],
    );
    return new Map(
      rows.map(({ topic_id, topic, partition, record_offset: offset, action }) => [
        `${topic_id} ${formatPlace({ topic, partition, offset })}`,
        action,
      ]),
    );
  }

  /** The id of the topic of that name whose letters were archived, by the letters and digits that it begins with. */
  async topicIdOf(topic: string, beginning: string): Promise<string | undefined> {
    const [row] = await this.platform.query<{ topic_id: string }>(
      `SELECT topic_id FROM millrace.dead_letter_archives
       WHERE topic = $1 AND left(regexp_replace(topic_id, '[^A-Za-z0-9]', '', 'g'), 8) = $2 LIMIT 1`,
      [topic, beginning],
    );
    return row?.topic_id;
  }

  /** How many letters of each topic, from the partitions' earliest offsets on, are in each state but `open`. */
  async counts(partitions: readonly HeldPartition[]): Promise<readonly StateCount[]> {
    const rows = await this.platform.query<{ topic_id: string; state: LetterState; letters: bigint }>(
      `SELECT s.topic_id, s.state, count(*) AS letters
       FROM unnest($1::text[], $2::int[], $3::bigint[]) AS p (topic_id, partition, earliest)
       JOIN millrace.dead_letter_states s ON s.topic_id = p.topic_id AND s.partition = p.partition AND s.record_offset >= p.earliest
       GROUP BY s.topic_id, s.state`,
      [partitions.map(({ topicId }) => topicId), partitions.map(({ partition }) => partition), partitions.map(({ earliest }) => earliest)],
    );
    return rows.map((row) => ({ topicId: row.topic_id, state: row.state, letters: Number(row.letters) }));
  }

  async audit(topicId: string, { place }: Letter): Promise<readonly AuditEntry[]> {
    return this.platform.query<AuditEntry>(
      `SELECT action, actor, detail, created_at AS at FROM millrace.dead_letter_audit
       WHERE topic = $1 AND partition = $2 AND record_offset = $3 AND topic_id = $4 ORDER BY audit_id`,
      [place.topic, place.partition, place.offset, topicId],
    );
  }

  /**
   * One decider at a time per group: `work` runs in a transaction of the platform's database that holds the group's lock, and
   * what it settles is durable when this resolves.
   */
  async decide<T>(group: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.platform.transaction(async (session) => {
      await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`millrace dead letters ${group}`]);
      return work(session);
    });
  }

  /** Writes the decision and an audit row for each letter. */
  async settle(session: Session, letters: readonly AddressedLetter[], decision: LetterDecision): Promise<void> {
    if (letters.length === 0) return;
    const column = <T>(read: (addressed: AddressedLetter) => T): T[] => letters.map(read);
    const places = [
      column(({ topicId }) => topicId),
      column(({ letter }) => letter.place.topic),
      column(({ letter }) => letter.place.partition),
      column(({ letter }) => letter.place.offset),
    ];
    await session.execute(
      `INSERT INTO millrace.dead_letter_states (topic_id, topic, partition, record_offset, state)
       SELECT l.topic_id, l.topic, l.partition, l.record_offset, $5
       FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) AS l (topic_id, topic, partition, record_offset)
       ON CONFLICT (topic_id, partition, record_offset) DO UPDATE SET state = EXCLUDED.state, changed_at = now()`,
      [...places, decision.state],
    );
    await session.execute(
      `INSERT INTO millrace.dead_letter_audit
         (topic_id, topic, partition, record_offset, group_name, event_id, trace_id, error_code, action, actor, detail)
       SELECT l.*, $9, $10, $11
       FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[]) AS l`,
      [
        ...places,
        column(({ group }) => group),
        column(({ letter }) => letter.eventId?.slice(0, ID_CHARACTERS_MAX) ?? null),
        column(({ letter }) => letter.traceId?.slice(0, ID_CHARACTERS_MAX) ?? null),
        column(({ letter }) => letter.errorCode),
        decision.state,
        decision.actor,
        decision.detail ?? null,
      ],
    );
  }

  /** Forgets what became of letters that are gone from Kafka; what was done to them stays in the audit. */
  async forgetGone(partitions: readonly HeldPartition[]): Promise<number> {
    return this.platform.execute(
      `DELETE FROM millrace.dead_letter_states s
       USING unnest($1::text[], $2::int[], $3::bigint[]) AS p (topic_id, partition, earliest)
       WHERE s.topic_id = p.topic_id AND s.partition = p.partition AND s.record_offset < p.earliest`,
      [partitions.map(({ topicId }) => topicId), partitions.map(({ partition }) => partition), partitions.map(({ earliest }) => earliest)],
    );
  }
}

/** The columns' width; a header of somebody else may hold more. */
const ID_CHARACTERS_MAX = 64;
