import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { LSN_ZERO, formatLsn } from '../../core/lsn.ts';
import type { PublicationDeclaration, PublicationSighting } from './publication.ts';
import { dropPublication, ensurePublication, publicationExists, sightPublication } from './publication.ts';
import type { CaptureSource } from './source.ts';
import { deleteSourceRow, readSourceRow, writeSourceRow } from './source-facts.ts';
import { assertUsable, dropSlot, ensureSlot, readSlot } from './slot.ts';
import type { KeptSqlSession, Sql } from './sql-session.ts';
import { quoteIdentifier, withSqlSession } from './sql-session.ts';

/**
 * Makes publication and slot, in this order; returns what it changed, in words, and nothing the second time. The publication
 * is made by the role of `ownerUrl`, who owns the table; the slot by the role of the source, who may be no more than capture needs.
 * @throws ClassifiedError PUBLICATION_MISSING when the slot is older than its publication would be: such a slot can never be
 * read. SLOT_MISSING when the slot was made before: what it had not sent is to be repaired first. SLOT_LOST,
 * CONFIGURATION_INVALID, POSTGRES_UNAVAILABLE.
 */
export async function ensureCaptureSource(source: CaptureSource, ownerUrl = source.url): Promise<string[]> {
  const published = await withSqlSession(ownerUrl, async (sql) => {
    await assertLogical(sql);
    const slot = await readSlot(sql, source.slot);
    if (slot !== undefined && !(await publicationExists(sql, source.publication.name))) {
      throw new ClassifiedError('PUBLICATION_MISSING', `the slot ${source.slot} exists without its publication ${source.publication.name}`);
    }
    if (slot === undefined && (await readSourceRow(sql, source)) !== undefined) {
      throw new ClassifiedError('SLOT_MISSING', `the slot ${source.slot} was made before, and is gone`);
    }
    return ensurePublication(sql, source.publication);
  });
  const made = await withSqlSession(source.url, (sql) => ensureSlot(sql, source.slot));
  const born = made.length === 0 ? [] : await withSqlSession(ownerUrl, (sql) => recordBirth(sql, source));
  return [...published, ...made, ...born];
}

/**
 * What the database remembers of a new slot: nobody has read from it yet, so that it stands where it began. When rows were there
 * before, which it will never bring, it is a gap from the beginning of the log on, and a repair closes that. Some of these rows may have
 * come right after the slot was made: then the repair finds nothing to do.
 */
async function recordBirth(sql: Sql, source: CaptureSource): Promise<string[]> {
  const [slot, publication] = [await readSlot(sql, source.slot), await sightPublication(sql, source.publication)];
  if (slot?.confirmedFlushLsn === undefined || publication === undefined) return [];
  const { schema, table } = source.publication;
  const { rows } = await sql.query(`SELECT EXISTS (SELECT FROM ${quoteIdentifier(schema)}.${quoteIdentifier(table)}) AS held`);
  const { held } = rows[0] as { held: boolean };
  const consistentPoint = formatLsn(held ? LSN_ZERO : slot.confirmedFlushLsn);
  await writeSourceRow(sql, source, { epoch: 1, consistentPoint, publication: publication.version, kafkaCluster: undefined });
  if (!held) return [];
  return [
    `${schema}.${table} held rows before its slot was made, which the slot does not bring: run \`millrace slot repair --apply\` (where Debezium captures, after \`millrace slot handover --to relay\`)`,
  ];
}

/** Drops slot and publication: everything that was not published yet is lost to the capture. For reset and tests. */
export async function dropCaptureSource(source: CaptureSource, clock: Clock): Promise<void> {
  await withSqlSession(source.url, async (sql) => {
    await dropSlot(sql, source.slot, clock);
    await dropPublication(sql, source.publication.name);
    await deleteSourceRow(sql, source);
  });
}

export interface SourceCheck {
  /** 0: the server never gives up on a silent receiver. */
  readonly walSenderTimeoutMs: number;
  readonly slotActive: boolean;
  readonly publication: PublicationSighting;
}

/**
 * Looks whether the slot can be streamed from.
 * @throws ClassifiedError SLOT_MISSING, SLOT_LOST, PUBLICATION_MISSING, PUBLICATION_CHANGED, CONFIGURATION_INVALID,
 * POSTGRES_UNAVAILABLE.
 */
export async function checkCaptureSource(source: CaptureSource): Promise<SourceCheck> {
  return withSqlSession(source.url, async (sql) => {
    const facts = await readSlot(sql, source.slot);
    if (facts === undefined) throw new ClassifiedError('SLOT_MISSING', `there is no slot ${source.slot}`);
    await assertUsable(sql, facts);
    const publication = await usablePublication(sql, source.publication);
    const { rows } = await sql.query(`SELECT setting::int AS ms FROM pg_settings WHERE name = 'wal_sender_timeout'`);
    return { walSenderTimeoutMs: (rows[0] as { ms: number }).ms, slotActive: facts.active, publication };
  });
}

/** @throws ClassifiedError PUBLICATION_MISSING, PUBLICATION_CHANGED, POSTGRES_UNAVAILABLE, CONFIGURATION_INVALID. */
export async function lookAtPublication(session: KeptSqlSession, publication: PublicationDeclaration): Promise<PublicationSighting> {
  return session.run((sql) => usablePublication(sql, publication));
}

async function usablePublication(sql: Sql, declaration: PublicationDeclaration): Promise<PublicationSighting> {
  const sighting = await sightPublication(sql, declaration);
  if (sighting?.whole === true) return sighting;
  const shown = `${declaration.schema}.${declaration.table}`;
  throw new ClassifiedError(
    sighting === undefined ? 'PUBLICATION_MISSING' : 'PUBLICATION_CHANGED',
    sighting === undefined
      ? `there is no publication ${declaration.name}`
      : `the publication ${declaration.name} does not yield every insert into ${shown}`,
  );
}

/** @throws ClassifiedError CONFIGURATION_INVALID when the server's log cannot be decoded. */
export async function assertLogical(sql: Sql): Promise<void> {
  const { rows } = await sql.query(`SELECT current_setting('wal_level') AS level`);
  if ((rows[0] as { level: string }).level === 'logical') return;
  throw new ClassifiedError('CONFIGURATION_INVALID', 'the server runs without wal_level = logical; set it and restart the server');
}
