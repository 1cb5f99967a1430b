import { v7 as uuidv7 } from 'uuid';
import type { AggregateDefinition, Decision, NewEvent, RowQuery, StateChange, StoredEvent } from '../../core/define.ts';
import { eventId } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { Logger } from '../../core/log.ts';
import { INBOX_RETENTION_DAYS } from '../../core/retention.ts';
import type { AppendedEvent, Cause, FlowStep, LoadedAggregate, UnitOfWork, UnitOfWorkTransaction } from '../../core/unit-of-work.ts';
import { takeAdvisoryLock } from './advisory-lock.ts';
import { fold, loadAggregate, stateVersion } from './aggregate-loader.ts';
import { APPEND_PARAMETERS, appendStatement, appendValues } from './append-statement.ts';
import type { Database, TransactionSession } from './database.ts';
import { appendContext } from './event-rows.ts';
import { qualified } from './identifiers.ts';
import { keepOutcomeStatement, keepOutcomeValues, markStatement, markValues, readOutcome } from './inbox-statements.ts';
import type { AppendSettings } from './prepare-append.ts';
import { isSnapshotDue, prepareAppend, snapshotJson } from './prepare-append.ts';
import { readRows } from './read-rows.ts';
import { rolledBack } from './rolled-back.ts';
import type { ChangeStatement } from './state-change-sql.ts';
import { changeStatement, statementGroups } from './state-change-sql.ts';
import type { CommandStore } from './steps/commit-command.ts';

export interface UnitOfWorkOptions extends Omit<AppendSettings, 'ids'>, Partial<Pick<AppendSettings, 'ids'>> {
  readonly database: Database;
  readonly logger: Logger;
  readonly snapshotEvery?: number;
  /** Longest wait for a lock that a decision declares. */
  readonly lockTimeoutMs?: number;
  /** How long an idempotency key is kept: longer than anything that could be delivered or replayed. */
  readonly inboxRetentionDays?: number;
}

export type UnitOfWorkSettings = Required<UnitOfWorkOptions>;

export function withUnitOfWorkDefaults(options: UnitOfWorkOptions): UnitOfWorkSettings {
  return { snapshotEvery: 100, inboxRetentionDays: INBOX_RETENTION_DAYS, lockTimeoutMs: 30_000, ids: uuidv7, ...options };
}

/** What the PostgreSQL implementation can do beyond the port. */
export interface PostgresUnitOfWork extends UnitOfWork {
  /** For commands that one statement can write; left out: each has a transaction. */
  readonly commands?: CommandStore;
  run<T>(cause: Cause, work: (tx: PostgresTransaction) => Promise<T>): Promise<T>;
}

export interface RehearsableUnitOfWork extends PostgresUnitOfWork {
  /**
   * As `run` up to the commit, deferred constraints included, and then rolls back: what `work` did was never there for anybody
   * else. Locks are held meanwhile, as by any transaction.
   */
  rehearse<T>(cause: Cause, work: (tx: PostgresTransaction) => Promise<T>): Promise<T>;
}

export interface PostgresTransaction extends UnitOfWorkTransaction {
  /** The result kept with a committed key; undefined when the key is not there. */
  processedResult(idempotencyKey: string): Promise<Json | undefined>;
}

export function createUnitOfWork(options: UnitOfWorkOptions): RehearsableUnitOfWork {
  const settings = { ...withUnitOfWorkDefaults(options), schema: options.domain.name };
  return {
    domain: options.domain.name,
    commands: { database: options.database, settings },
    run: (cause, work) => options.database.transaction((session) => work(new Transaction(settings, session, cause))),
    rehearse: (cause, work) => rolledBack(options.database, (session) => work(new Transaction(settings, session, cause))),
  };
}

type Settings = UnitOfWorkSettings & { readonly schema: string };

/** A stream that this transaction has read, and what it has appended to it since. */
interface ReadStream {
  readonly loaded: LoadedAggregate<unknown>;
  readonly appended: StoredEvent[];
}

class Transaction implements PostgresTransaction {
  private readonly settings: Settings;
  private readonly session: TransactionSession;
  private readonly cause: Cause;
  private readonly marked = new Set<string>();
  private readonly streams = new Map<string, ReadStream>();
  private correlationId: string | undefined;
  /** The server's time as last read; what is appended happened then. */
  private readAt: string | undefined;
  private repeated = false;

  constructor(settings: Settings, session: TransactionSession, cause: Cause) {
    this.settings = settings;
    this.session = session;
    this.cause = cause;
    this.correlationId = cause.correlationId;
  }

  async lock(name: string): Promise<void> {
    await takeAdvisoryLock(this.session, name, this.settings.lockTimeoutMs);
  }

  async rows(query: RowQuery): Promise<readonly JsonObject[]> {
    return readRows(this.session, this.settings.schema, query);
  }

  async markProcessed(idempotencyKey: string, step?: FlowStep): Promise<boolean> {
    this.assertNotRepeated();
    const inserted = await this.session.prepared(
      markStatement(this.settings.schema),
      markValues(idempotencyKey, this.settings.domain.name, this.settings.inboxRetentionDays, this.cause, step),
    );
    const marked = inserted.length === 1;
    if (marked) this.marked.add(idempotencyKey);
    else this.repeated = true;
    return marked;
  }

  async keepOutcome(idempotencyKey: string, decision: Pick<Decision, 'result' | 'step'>): Promise<void> {
    if (!this.marked.has(idempotencyKey)) throw new ClassifiedError('DECISION_FAILED', 'only who marked a key may keep an outcome with it');
    await this.session.prepared(
      keepOutcomeStatement(this.settings.schema),
      keepOutcomeValues(idempotencyKey, this.correlationId, decision),
    );
  }

  async processedResult(idempotencyKey: string): Promise<Json | undefined> {
    return readOutcome(this.session, this.settings.schema, idempotencyKey);
  }

  async load<S, E extends StoredEvent>(aggregate: AggregateDefinition<S, E>, id: string): Promise<LoadedAggregate<S>> {
    const { state, version, readAt } = await loadAggregate(this.session, this.settings.schema, aggregate, id);
    this.readAt = readAt;
    this.streams.set(streamKey(aggregate.type, id), { loaded: { state, version }, appended: [] });
    return { state, version };
  }

  async append<S, E extends StoredEvent>(
    aggregate: AggregateDefinition<S, E>,
    id: string,
    expectedVersion: bigint,
    events: readonly NewEvent[],
  ): Promise<readonly AppendedEvent[]> {
    this.assertNotRepeated();
    if (events.length === 0) return [];
    const at = (this.readAt ??= await this.serverTime());
    const { rows, stored, changes } = prepareAppend(this.settings, { aggregate, id, version: expectedVersion }, events, at);
    this.correlationId ??= rows[0]?.event_id ?? '';
    const [withEvents = [], ...later] = statementGroups(changes);
    const statements = this.statements(withEvents, APPEND_PARAMETERS);
    const context = appendContext({ aggregateType: aggregate.type, aggregateId: id, expectedVersion }, this.cause, {
      correlationId: this.correlationId,
      at,
    });
    const [answer] = await this.session.prepared<{ appended: bigint }>(
      appendStatement(this.settings.schema, statements),
      appendValues(rows, context, statements),
    );
    if (answer?.appended !== BigInt(rows.length)) {
      throw new ClassifiedError('VERSION_CONFLICT', `the stream of ${aggregate.type} has no version ${expectedVersion} to append to`);
    }
    for (const group of later) await this.changeGroup(group);
    await this.snapshotIfDue(aggregate, id, expectedVersion, stored);
    return rows.map((row) => ({ id: eventId(row.event_id), type: row.type, version: BigInt(row.version) }));
  }

  async change(changes: readonly StateChange[]): Promise<void> {
    this.assertNotRepeated();
    for (const group of statementGroups(changes)) await this.changeGroup(group);
  }

  private async changeGroup(group: readonly StateChange[]): Promise<void> {
    const statements = this.statements(group, 0);
    const [first, ...others] = statements;
    if (first === undefined) return;
    const parts = others.map((statement, index) => `change_${index} AS (${statement.text})`);
    const text = parts.length === 0 ? first.text : `WITH ${parts.join(', ')} ${first.text}`;
    await this.session.prepared(
      text,
      statements.map((statement) => statement.row),
    );
  }

  private statements(group: readonly StateChange[], parametersBefore: number): readonly ChangeStatement[] {
    const statements: ChangeStatement[] = [];
    for (const change of group) {
      const statement = changeStatement(this.settings.schema, change, parametersBefore + statements.length + 1);
      if (statement !== undefined) statements.push(statement);
    }
    return statements;
  }

  /** A snapshot belongs to the transaction of the event that made it due, and is one statement more in a hundred. */
  private async snapshotIfDue<S, E extends StoredEvent>(
    aggregate: AggregateDefinition<S, E>,
    id: string,
    expectedVersion: bigint,
    stored: readonly StoredEvent[],
  ): Promise<void> {
    const version = expectedVersion + BigInt(stored.length);
    const stream = this.streams.get(streamKey(aggregate.type, id));
    stream?.appended.push(...stored);
    if (!isSnapshotDue(this.settings.snapshotEvery, expectedVersion, version)) return;
    const known = stream !== undefined && stream.loaded.version + BigInt(stream.appended.length) === version;
    const { state } = known
      ? fold(aggregate, stream.loaded as LoadedAggregate<S>, stream.appended)
      : await loadAggregate(this.session, this.settings.schema, aggregate, id);
    const json = snapshotJson(aggregate.type, state, this.settings.logger);
    if (json === undefined) return;
    await this.session.execute(
      `INSERT INTO ${qualified(this.settings.schema, 'snapshots')} AS s
         (aggregate_type, aggregate_id, sequence_number, state, state_version, created_at)
       VALUES ($1, $2, $3, $4::jsonb, $5, $6)
       ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET sequence_number = EXCLUDED.sequence_number,
         state = EXCLUDED.state, state_version = EXCLUDED.state_version, created_at = EXCLUDED.created_at`,
      [aggregate.type, id, version.toString(), json, stateVersion(aggregate), this.readAt],
    );
  }

  private async serverTime(): Promise<string> {
    const [row] = await this.session.query<{ at: string }>('SELECT clock_timestamp() AS at');
    if (row === undefined) throw new ClassifiedError('UNCLASSIFIED', 'PostgreSQL gave no time');
    return row.at;
  }

  private assertNotRepeated(): void {
    if (this.repeated) throw new ClassifiedError('DECISION_FAILED', 'the key was processed before: nothing else may be written');
  }
}

function streamKey(type: string, id: string): string {
  return `${type}\0${id}`;
}
