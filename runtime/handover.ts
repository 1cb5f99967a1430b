import type { BrokerDriver } from '../core/broker.ts';
import type { DomainDefinition } from '../core/define.ts';
import { ClassifiedError, classified } from '../core/errors.ts';
import type { ConnectRest } from '../connectors/debezium/connect-rest.ts';
import type { Connector } from '../connectors/debezium/connector.ts';
import { stopConnector } from '../connectors/debezium/life.ts';
import { registerConnector } from '../connectors/debezium/register.ts';
import { countPublished, countUnconfirmedMessages, fewUnconfirmed, unconfirmedIds } from '../connectors/debezium/unconfirmed.ts';
import type { SourceIdentity } from '../connectors/replication/source-identity.ts';
import { SLOT_IS_BEYOND, findingError, isGap } from '../connectors/replication/source-findings.ts';
import type { CaptureOwner } from '../connectors/replication/capture-owner.ts';
import { readCaptureOwner, writeCaptureOwner } from '../connectors/replication/capture-owner.ts';
import { OWNER_LOOK_MS } from '../connectors/outbox/owned-relay.ts';
import { captureSource } from '../connectors/outbox/relay.ts';
import { countLostRows } from '../connectors/outbox/repair/lost-rows.ts';
import { withLongSqlSession } from '../connectors/replication/long-sql-session.ts';
import { readSlot } from '../connectors/replication/slot.ts';
import type { Sql } from '../connectors/replication/sql-session.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import { capturerOf, outboxConnectorOf } from './capture.ts';
import type { Config } from './config.ts';
import { captureUrl, databaseUrl } from './database-url.ts';
import { systemClock } from './telemetry/system-clock.ts';

export interface HandoverOptions {
  readonly domain: DomainDefinition;
  readonly to: CaptureOwner;
  readonly config: Config;
  readonly rest: ConnectRest;
  readonly driver: BrokerDriver;
  /** What the relay remembers of its source. */
  readonly identity: Pick<SourceIdentity, 'assess' | 'adopt' | 'sight'>;
  /** Each step when it begins, for a person who watches. */
  readonly report: (step: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface HandoverOutcome {
  readonly from: CaptureOwner;
  readonly to: CaptureOwner;
  /** Rows that waited in the slot when it changed hands; undefined when they were too many to be looked at. */
  readonly waiting: number | undefined;
  /** Of these, the ones that the topics held already: they are there twice now. Effects are not. */
  readonly duplicates: number | undefined;
  /** What is left for a person to do, in sentences. */
  readonly remarks: readonly string[];
}

/** Every relay has looked at its owner by then, and a standby has not taken the slot meanwhile. */
const QUIET_MS = 3 * OWNER_LOOK_MS;
const FREE_TIMEOUT_MS = 90_000;
const TAKEN_TIMEOUT_MS = 60_000;
const LOOK_MS = 100;
/** Ids that are held while duplicates are counted. */
const IDS_MAX = 200_000;

/** What a handover would do, without doing it. Rejects like the handover for what it could never do. */
export async function planHandover(options: Omit<HandoverOptions, 'driver' | 'identity' | 'report'>): Promise<readonly string[]> {
  const { domain, to, config, rest } = options;
  const slot = config.names.slot(domain.name);
  const connector = config.names.connector(domain.name);
  const from = await ownerOf(domain.name, config);
  const held = await assertSlot(domain.name, config);
  const there = (await rest.config(connector)) !== undefined;
  const first = from === to ? [`${domain.name} is ${to}'s already; the steps are repeated, which changes nothing that is done`] : [];
  if (to === 'relay') {
    return [
      ...first,
      there ? `stop the connector ${connector}, and wait until its task has ended` : `there is no connector ${connector} to stop`,
      `wait until the slot ${slot} is free, count what is in the topics and not confirmed, and forget the connector's offsets`,
      `give the slot to the relay: one that runs takes it within a second`,
    ];
  }
  return [
    ...first,
    `${there ? 'update' : 'register'} the connector ${connector}, stopped and without offsets`,
    `give the slot ${slot} to Debezium: the relay drains, confirms and lets go${held ? '' : ' (nobody holds it now)'}`,
    'wait until the slot is free, and count what is in the topics and not confirmed',
    'start the connector and wait until it streams from the slot',
  ];
}

/**
 * Moves the capture of a live domain. Nothing is lost, because the slot keeps every row that was not confirmed and both sides read from
 * the same one; what was published and not yet confirmed comes twice, and is counted. The word of who owns the slot is in
 * the domain's database, where relays look while they run. When it fails or is aborted, the side that had the slot goes on.
 * It may be killed at any point: then nobody may be reading from the slot, relays say so in their health, and running it again,
 * in either direction, goes on from there.
 *
 * Rejects with the gap's own code when events may be missing already (SLOT_RECREATED, DATABASE_RESTORED …): that is repaired
 * first. Rejects with SLOT_MISSING, SLOT_IN_USE when the old side does not let go, SLOT_BEHIND when too much waits for the way back, CONNECT_UNAVAILABLE, CONNECTOR_REFUSED and the
 * errors of the servers.
 */
export async function handOver(options: HandoverOptions): Promise<HandoverOutcome> {
  const { domain, to, config } = options;
  const from = await ownerOf(domain.name, config);
  if (to === 'debezium') await assertSlot(domain.name, config);
  const outcome = to === 'debezium' ? await toDebezium(options, from) : await toRelay(options, from);
  const configured = capturerOf(config, domain.name);
  const setting = `CAPTURE_${domain.name.toUpperCase()}=${to}`;
  const remarks = configured === to ? [] : [`set ${setting} in the configuration: it still says ${configured}`];
  return { from, to, ...outcome, remarks: [...outcome.remarks, ...remarks] };
}

type Outcome = Omit<HandoverOutcome, 'from' | 'to'>;

async function toDebezium(options: HandoverOptions, from: CaptureOwner): Promise<Outcome> {
  const { domain, config, rest, report } = options;
  const connector = await outboxConnectorOf(domain, config);
  let started = false;
  try {
    report(`connector ${connector.name}: registering it stopped, without offsets`);
    await registerStopped(rest, connector);
    report('asking the relay to drain and let go of the slot');
    await giveTo(domain.name, config, 'debezium');
    const counted = await whenFree(options);
    await refuseGap(options, from);
    await refuseMessages(options);
    // From here on a slot that is made anew is known by what it has sent.
    await options.identity.sight();
    report(`connector ${connector.name}: starting`);
    started = true;
    await rest.resume(connector.name);
    await untilTaken(options, `the connector ${connector.name} does not take the slot: look at \`millrace connect status\``);
    return { ...counted, remarks: [] };
  } catch (thrown) {
    throw await takenBack(options, { owner: from, streamed: started && from === 'relay' }, connector.name, thrown);
  }
}

/** Debezium would stream over a gap without a word. The relay says the same in its health. */
async function refuseGap({ identity }: HandoverOptions, from: CaptureOwner): Promise<void> {
  const { findings } = await identity.assess();
  // What Debezium told the slot in an earlier turn is beyond what the relay remembers.
  const gravest = findings.find(({ code }) => from === 'relay' || !SLOT_IS_BEYOND.includes(code));
  if (gravest !== undefined) throw findingError(gravest);
}

/** Debezium's router knows rows: it would pass over these, and confirm them. */
async function refuseMessages({ domain, config, signal }: HandoverOptions): Promise<void> {
  const slot = config.names.slot(domain.name);
  if (!(await onLog(domain.name, config, async (sql) => fewUnconfirmed(sql, slot)))) {
    throw new ClassifiedError(
      'SLOT_BEHIND',
      'too much waits in the slot to tell whether Debezium would lose some of it: let the relay catch up first',
    );
  }
  const waiting = await withLongSqlSession(captureUrl(config, domain.name), signal ?? new AbortController().signal, async (sql) =>
    countUnconfirmedMessages(sql, slot, config.names.publication(domain.name)),
  );
  if (waiting === 0) return;
  const message = `${waiting} events without a table (${domain.name}.emit_outbox) wait in the slot, and Debezium would lose them: run the handover again once the relay has published them`;
  throw new ClassifiedError('SLOT_BEHIND', message);
}

async function toRelay(options: HandoverOptions, from: CaptureOwner): Promise<Outcome> {
  const { domain, config, rest, report } = options;
  const name = config.names.connector(domain.name);
  const registered = (await rest.config(name)) !== undefined;
  let counted: Pick<HandoverOutcome, 'waiting' | 'duplicates'>;
  try {
    if (registered) {
      report(`connector ${name}: stopping`);
      await stopConnector(rest, name, systemClock);
    }
    // A slot that is gone is a gap that the relay stands in, and that is repaired from there.
    await assertSlot(domain.name, config);
    // A relay whose slot it is already, after a handover that was cut off, takes it as soon as the connector lets go.
    counted = from === 'relay' ? { waiting: 0, duplicates: 0 } : await whenFree(options);
    if (from === 'debezium') {
      await refuseLostRows(options);
      await options.identity.adopt();
    }
    if (registered) await rest.forgetOffsets(name);
    report('giving the slot to the relay');
    await giveTo(domain.name, config, 'relay');
  } catch (thrown) {
    // A gap is the relay's to stand in, and to be repaired from: with the slot, nobody streams over it.
    const gap = thrown instanceof ClassifiedError && isGap(thrown);
    throw await takenBack(options, { owner: gap || !registered ? 'relay' : from, streamed: false }, name, thrown);
  }
  const remark = `no relay took the slot within ${TAKEN_TIMEOUT_MS / 1_000} s: start one with \`millrace run relay:${domain.name}\`; events wait in the slot`;
  try {
    await untilTaken(options, remark);
  } catch (error) {
    if (error instanceof ClassifiedError && error.message === remark) return { ...counted, remarks: [remark] };
    throw error;
  }
  return { ...counted, remarks: [] };
}

interface WayBack {
  readonly owner: CaptureOwner;
  /** The connector was started already. */
  readonly streamed: boolean;
}

/** Debezium lets go of the slot, and where it left it is what the relay remembers as told. The word is not given yet. */
async function adoptFromDebezium(options: HandoverOptions, connector: string): Promise<void> {
  await stopConnector(options.rest, connector, systemClock);
  const { waiting, duplicates } = await whenFree(options);
  if (waiting !== undefined) {
    options.report(
      `the slot is let go: ${waiting} rows wait in it, ${duplicates} of them are in the topics already and come a second time`,
    );
  }
  await refuseLostRows(options);
  await options.identity.adopt();
}

/**
 * A handover that failed must not leave a slot that nobody reads from: the side that had it goes on. Resolves with the error to
 * throw, which says so when this could not be done.
 */
async function takenBack(options: HandoverOptions, back: WayBack, connector: string, thrown: unknown): Promise<unknown> {
  const { domain, config, rest, report } = options;
  const { owner, streamed } = back;
  report(`the handover failed: ${owner === 'relay' ? 'the relay' : 'Debezium'} goes on`);
  try {
    // What the connector may have told the slot is first compared and remembered: the relay would take it for a gap.
    if (streamed) await adoptFromDebezium({ ...options, signal: undefined }, connector);
    // First the word, which needs only the database; a relay waits until the slot is free.
    await giveTo(domain.name, config, owner);
    if (owner === 'debezium') await rest.resume(connector);
    else if ((await rest.config(connector)) !== undefined) await stopConnector(rest, connector, systemClock);
    return thrown;
  } catch (second) {
    const error = classified(thrown, 'UNCLASSIFIED', 'the handover failed');
    const message = `${error.message}. ${owner} could not be told to go on (${classified(second, 'UNCLASSIFIED', 'unknown').message}): run the handover again`;
    return new ClassifiedError(error.code, message, { cause: thrown });
  }
}

async function registerStopped(rest: ConnectRest, connector: Connector): Promise<void> {
  await rest.createStopped(connector.name, connector.config);
  await stopConnector(rest, connector.name, systemClock);
  await registerConnector(rest, connector);
  // Where the slot stands is where Debezium begins.
  await rest.forgetOffsets(connector.name);
}

/** Waits until nobody has held the slot for a while, and counts what the next reader will publish a second time. */
async function whenFree(options: HandoverOptions): Promise<Pick<HandoverOutcome, 'waiting' | 'duplicates'>> {
  const { domain, config, driver, report, signal } = options;
  const deadline = systemClock.monotonicMs() + FREE_TIMEOUT_MS;
  let freeSince: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const now = systemClock.monotonicMs();
    if (await isHeld(domain.name, config)) freeSince = undefined;
    else freeSince ??= now;
    if (freeSince !== undefined && now - freeSince >= QUIET_MS) break;
    if (now > deadline) throw new ClassifiedError('SLOT_IN_USE', `the slot is not let go: ${await holderOf(domain.name, config)}`);
    await systemClock.sleep(LOOK_MS, signal);
  }
  report('the slot is free: counting what is in the topics and not confirmed');
  const ids = await firstUnconfirmed(options);
  if (ids === undefined) {
    report('too much waits in the slot to be counted');
    return { waiting: undefined, duplicates: undefined };
  }
  if (ids.size === IDS_MAX) report(`more rows may wait than are counted: duplicates are those of the first ${IDS_MAX}`);
  return { waiting: ids.size, duplicates: await duplicatesAmong(ids, domain, config, driver) };
}

/** Undefined when too much waits to be looked at. */
async function firstUnconfirmed(options: HandoverOptions): Promise<Set<string> | undefined> {
  const { domain, config } = options;
  if (!(await onLog(domain.name, config, async (sql) => fewUnconfirmed(sql, config.names.slot(domain.name))))) return undefined;
  const ids = new Set<string>();
  await eachUnconfirmed(options, async (some) => {
    for (const id of some) if (ids.size < IDS_MAX) ids.add(id);
    return ids.size < IDS_MAX;
  });
  return ids;
}

/** In commit order, some ids at a time, until `take` has had enough. */
async function eachUnconfirmed({ domain, config, signal }: HandoverOptions, take: (ids: string[]) => Promise<boolean>): Promise<void> {
  const { names } = config;
  await withLongSqlSession(captureUrl(config, domain.name), signal ?? new AbortController().signal, async (sql) => {
    for await (const ids of unconfirmedIds(sql, names.slot(domain.name), names.publication(domain.name))) if (!(await take(ids))) return;
  });
}

/**
 * Where Debezium left the slot is beyond what the relay remembers, as a slot is that somebody made anew or moved meanwhile.
 * The difference is in the rows: those before it are in the topics, or they are lost.
 */
async function refuseLostRows(options: HandoverOptions): Promise<void> {
  const { domain, config, identity, driver, report, signal } = options;
  const { findings, remembered } = await identity.assess();
  const ahead = findings.find(({ code }) => SLOT_IS_BEYOND.includes(code));
  if (ahead === undefined) return;
  if (!(await onLog(domain.name, config, async (sql) => fewUnconfirmed(sql, config.names.slot(domain.name))))) {
    throw new ClassifiedError('SLOT_BEHIND', 'too much waits in the slot to tell whether everything before it was published');
  }
  report('comparing the outbox with the topics');
  const reader = driver.logReader();
  try {
    const lost = await countLostRows(
      {
        ...{ domain: domain.name, names: config.names, reader, clock: systemClock, signal: signal ?? new AbortController().signal },
        source: captureSource(domain.name, databaseUrl(config, domain.name), config.names),
        routes: new Set(domain.events.map(({ route }) => route)),
      },
      remembered?.lastPublished,
      async (add) =>
        eachUnconfirmed(options, async (ids) => {
          await add(ids);
          return true;
        }),
    );
    if (lost > 0) throw new ClassifiedError(ahead.code, `${lost} rows are neither in the topics nor in the slot: ${ahead.message}`);
  } finally {
    await reader.stop();
  }
}

async function duplicatesAmong(ids: ReadonlySet<string>, domain: DomainDefinition, config: Config, driver: BrokerDriver): Promise<number> {
  const { names } = config;
  const topics = [...domain.events.map(({ route }) => names.eventTopic(route)), names.captureDeadLetterTopic(domain.name)];
  const reader = driver.logReader();
  try {
    return await countPublished(reader, topics, ids);
  } finally {
    await reader.stop();
  }
}

async function untilTaken({ domain, config, signal }: HandoverOptions, otherwise: string): Promise<void> {
  const deadline = systemClock.monotonicMs() + TAKEN_TIMEOUT_MS;
  while (!(await isHeld(domain.name, config))) {
    if (systemClock.monotonicMs() > deadline) throw new ClassifiedError('CONNECT_UNAVAILABLE', otherwise);
    await systemClock.sleep(LOOK_MS, signal);
  }
}

async function ownerOf(domain: string, config: Config): Promise<CaptureOwner> {
  return (await withSqlSession(databaseUrl(config, domain), async (sql) => readCaptureOwner(sql, domain))) ?? 'relay';
}

async function giveTo(domain: string, config: Config, owner: CaptureOwner): Promise<void> {
  await withSqlSession(databaseUrl(config, domain), async (sql) => writeCaptureOwner(sql, domain, owner));
}

async function onLog<T>(domain: string, config: Config, work: (sql: Sql) => Promise<T>): Promise<T> {
  return withSqlSession(captureUrl(config, domain), work);
}

async function isHeld(domain: string, config: Config): Promise<boolean> {
  return onLog(domain, config, async (sql) => (await readSlot(sql, config.names.slot(domain)))?.active === true);
}

/** True when somebody reads from it. */
async function assertSlot(domain: string, config: Config): Promise<boolean> {
  const slot = await onLog(domain, config, async (sql) => readSlot(sql, config.names.slot(domain)));
  if (slot === undefined) throw new ClassifiedError('SLOT_MISSING', `there is no slot ${config.names.slot(domain)}`);
  return slot.active;
}

async function holderOf(domain: string, config: Config): Promise<string> {
  const { rows } = await onLog(domain, config, async (sql) =>
    sql.query(
      `SELECT a.application_name AS name, host(a.client_addr) AS address, a.pid FROM pg_replication_slots s
         JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`,
      [config.names.slot(domain)],
    ),
  );
  const holder = rows[0] as { name: string; address: string | null; pid: number } | undefined;
  if (holder === undefined) return 'it comes and goes';
  return `${holder.name} at ${holder.address ?? 'the socket'} (server process ${holder.pid}) holds it. Stop that process, then run this again`;
}
