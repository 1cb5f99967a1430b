import { afterAll, describe, expect, it } from 'vitest';
import type { AggregateDefinition, NewEvent, Reaction, StateChange, StoredEvent } from '../core/define.ts';
import type { EventRecord } from '../core/envelope.ts';
import type { JsonObject } from '../core/json.ts';
import { SILENT_LOGGER } from '../core/log.ts';
import { NO_METRICS } from '../core/metrics.ts';
import { pipeline } from '../pipeline.ts';
import type { Database } from '../runtime/postgres/database.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import { createDatabase } from '../runtime/postgres/database.ts';
import { migrateDomain } from '../runtime/postgres/migrate.ts';
import { readCharacter, searchCharacters } from '../runtime/postgres/read-characters.ts';
import { readConversation, readConversations, readMessages } from '../runtime/postgres/read-conversations.ts';
import { readRecentImages } from '../runtime/postgres/read-images.ts';
import { readProfile, searchProfiles } from '../runtime/postgres/read-profiles.ts';
import { countScans, readScanTask } from '../runtime/postgres/read-scans.ts';
import { seedTable } from '../runtime/postgres/seed-table.ts';
import type { PostgresUnitOfWork } from '../runtime/postgres/unit-of-work.ts';
import { createBatchedSteps } from '../runtime/postgres/steps/batched-steps.ts';
import { createStepDatabase } from '../runtime/postgres/steps/step-database.ts';
import { createUnitOfWork } from '../runtime/postgres/unit-of-work.ts';
import { viewAggregate } from '../runtime/postgres/view-aggregate.ts';
import { stepOf } from '../runtime/processing/reaction-handler.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import {
  CATALOGUE,
  characterAcquireFailed,
  characterAcquired,
  characterEvolved,
  characterLost,
  imageDeleted,
  imageProcessed,
  imageRegistered,
  messagePosted,
  profileUpdated,
  scanCompleted,
  scanFailed,
  scanRequested,
  scanRewardCompensated,
  userLoggedIn,
  userLoggedOut,
  userRegistered,
} from '../schemas/catalogue.ts';
import { newEvent } from '../schemas/typed-events.ts';
import { createPayloadValidator } from '../schemas/validator.ts';
import { arrived } from '../test/support/arrived.ts';
import { aCause } from '../test/support/bank.ts';
import { temporaryDatabases } from '../test/support/temporary-databases.ts';
import { userAggregate } from './auth/aggregate.ts';
import { changePermissions } from './auth/change-permissions.ts';
import { conversationAggregate } from './chat/aggregate.ts';
import { answerIdOf } from './chat/answer-id.ts';
import { answerMessage } from './chat/answer-message.ts';
import { endConversation } from './chat/end-conversation.ts';
import { postMessage } from './chat/post-message.ts';
import { startConversation } from './chat/start-conversation.ts';
import { userCharactersAggregate } from './character/aggregate.ts';
import { CHARACTERS, CHARACTER_SEED } from './character/catalogue.ts';
import { imageAggregate } from './image/aggregate.ts';
import { profileAggregate } from './my/aggregate.ts';
import { tellScanFailed } from './notification/tell-scan-failed.ts';
import { changePreferences } from './my/change-preferences.ts';
import { countLostCharacter } from './my/count-lost-character.ts';
import { scanAggregate } from './scan/aggregate.ts';
import { classifyRegisteredImage } from './scan/classify-registered-image.ts';
import { classifyRequestedScan } from './scan/classify-requested-scan.ts';
import { markRewardGranted } from './scan/mark-reward-granted.ts';
import { requestScan } from './scan/request-scan.ts';
import { scanIdOf } from './scan/scan-id.ts';

const databases = temporaryDatabases('states');
const open: Database[] = [];
const image_id = '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
const image = { image_id, user_id: 'u1', cdn_url: 'https://cdn.example/1.jpg' };
const scan_id = scanIdOf(image_id);

afterAll(async () => {
  for (const database of open) await database.stop();
  await databases.dropAll();
});

interface OpenDomain {
  readonly database: Database;
  readonly unitOfWork: PostgresUnitOfWork;
  append<S, E extends StoredEvent>(aggregate: AggregateDefinition<S, E>, id: string, events: readonly NewEvent[]): Promise<void>;
  react(reaction: Reaction, event: EventRecord, callResult?: unknown): Promise<void>;
  rows(table: string): Promise<readonly JsonObject[]>;
}

async function openDomain(name: string): Promise<OpenDomain> {
  const domain = pipeline.domains.find((candidate) => candidate.name === name)!;
  const url = databases.url(name);
  await migrateDomain({ databaseUrl: url, domain: name, logger: SILENT_LOGGER });
  const database = createDatabase({ url, domain: name, poolMax: 2, logger: SILENT_LOGGER });
  open.push(database);
  const batches = createStepDatabase({ url, domain: name, batchesMax: 1, logger: SILENT_LOGGER });
  open.push(batches);
  const store = { database, domain, catalogue: CATALOGUE, validator: createPayloadValidator(), logger: SILENT_LOGGER };
  const unitOfWork = createUnitOfWork(store);
  const limits = { batchMax: 64, inFlightMax: 1, aloneMax: 1, lockedMax: 1 };
  const steps = createBatchedSteps({ ...store, ...limits, batches, unitOfWork, metrics: NO_METRICS, clock: systemClock });
  const commit = (
    aggregate: AggregateDefinition<unknown>,
    id: string,
    decide: (state: unknown) => { readonly events: readonly NewEvent[]; readonly changes?: readonly StateChange[] },
  ): Promise<void> =>
    unitOfWork.run(aCause(), async (tx) => {
      const { state, version } = await tx.load(aggregate, id);
      const { events, changes = [] } = decide(state);
      await tx.append(aggregate, id, version, events);
      await tx.change(changes);
    });
  return {
    database,
    unitOfWork,
    append: (aggregate, id, events) => commit(aggregate, id, () => ({ events })),
    async react(reaction, event, result) {
      const flow = { trace: aCause().trace, startedMs: systemClock.monotonicMs() };
      await steps.commit(stepOf(name, reaction, event, flow, result), new AbortController().signal);
    },
    async rows(table) {
      const found = await database.query<{ row: JsonObject }>(`SELECT to_jsonb(t) AS row FROM ${name}.${table} AS t`);
      return found.map(({ row }) => row);
    },
  };
}

const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string;

describe('the tables take what the decisions say', () => {
  it('image: from registration to deletion', async () => {
    const domain = await openDomain('image');
    const ids = { image_id, user_id: 'u1' };
    await domain.append(imageAggregate, image_id, [
      newEvent(imageRegistered, image),
      newEvent(imageProcessed, ids),
      newEvent(imageDeleted, ids),
    ]);
    const others = ['a', 'b', 'c'];
    for (const other of others) {
      await domain.append(imageAggregate, other, [newEvent(imageRegistered, { ...image, image_id: other })]);
    }
    const recent = await readRecentImages(domain.database, 'u1', 2);
    expect(recent.map((found) => found.image_id)).toEqual(['c', 'b']);
    expect(recent[0]).toEqual({ image_id: 'c', cdn_url: image.cdn_url, status: 'registered', registered_at: at, processed_at: null });
    expect(await readRecentImages(domain.database, 'u1', 10)).toHaveLength(others.length);
    expect(await readRecentImages(domain.database, 'u2', 10)).toEqual([]);
    const rows = (await domain.rows('images')).filter((row) => row['image_id'] === image_id);
    expect(rows).toEqual([{ ...image, status: 'deleted', registered_at: at, processed_at: at, deleted_at: at }]);
  });

  it('auth: a registered user, what the user may do, and the audit of logins', async () => {
    const domain = await openDomain('auth');
    const user = { user_id: 'u1', provider: 'kakao', email_hash: 'h1' };
    const login = { user_id: 'u1', session_id: 's1', ip_hash: 'h2', user_agent: 'curl' };
    await domain.append(userAggregate, 'u1', [newEvent(userRegistered, user), newEvent(userLoggedIn, login)]);
    expect(await domain.rows('users')).toEqual([{ ...user, created_at: at, permissions: [] }]);
    expect(await domain.rows('login_audits')).toEqual([{ ...login, logged_in_at: at, logged_out_at: null }]);
    await domain.append(userAggregate, 'u1', [
      newEvent(userLoggedOut, { user_id: 'u1', jti: 'j1', expires_at: '2099-01-01T00:00:00Z', session_id: 's1' }),
    ]);
    expect(await domain.rows('login_audits')).toMatchObject([{ logged_out_at: at }]);
    expect(await domain.rows('revocations')).toMatchObject([
      // As long as the token could still be taken by a verifier whose clock is behind.
      { kind: 'token', id: 'j1', revoked_at: at, expires_at: '2099-01-01T00:01:00+00:00' },
      { kind: 'session', id: 's1' },
    ]);
    await executeCommand(domain.unitOfWork, changePermissions, { user_id: 'u1', permissions: ['operator', 'audit'] }, aCause());
    expect(await domain.rows('users')).toMatchObject([{ permissions: ['audit', 'operator'] }]);
  });

  it('scan: completed, granted, compensated and failed', async () => {
    const domain = await openDomain('scan');
    const origin = { scan_id, user_id: 'u1', image_id, image_url: image.cdn_url };
    await domain.react(classifyRegisteredImage, arrived(imageRegistered, image), {
      kind: 'classified',
      category: 'paper',
      confidence: 0.9,
    });
    const completed = { ...origin, category: 'paper', confidence: 0.9, reward_eligible: true, status: 'completed', completed_at: at };
    expect(await domain.rows('scan_records')).toMatchObject([{ ...completed, reward_status: 'pending' }]);

    const acquired = { user_id: 'u1', character_id: 'c1', character_name: 'Papy', source: 'scan', source_id: scan_id } as const;
    await domain.react(markRewardGranted, arrived(characterAcquired, acquired));
    expect(await domain.rows('scan_records')).toMatchObject([{ ...completed, reward_status: 'granted' }]);

    await domain.append(scanAggregate, scan_id, [newEvent(scanRewardCompensated, { scan_id, user_id: 'u1', reason: 'already_owned' })]);
    expect(await domain.rows('scan_records')).toMatchObject([{ ...completed, reward_status: 'failed', failure_reason: 'already_owned' }]);

    const other = '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b002';
    await domain.react(classifyRegisteredImage, arrived(imageRegistered, { ...image, image_id: other }), {
      kind: 'rejected',
      reason: 'blurred',
    });
    const failed = { scan_id: scanIdOf(other), status: 'failed', failure_reason: 'blurred', reward_status: 'none', image_id: other };
    expect((await domain.rows('scan_records')).find((row) => row['scan_id'] === scanIdOf(other))).toMatchObject(failed);

    const asked = 'b6a1f7f6-6d43-5c39-9c16-0f2d1c7a0009';
    await domain.append(scanAggregate, asked, [
      newEvent(scanRequested, { scan_id: asked, user_id: 'u1', image_url: image.cdn_url }),
      newEvent(scanCompleted, { scan_id: asked, user_id: 'u1', category: 'unknown' }),
    ]);
    expect((await domain.rows('scan_records')).find((row) => row['scan_id'] === asked)).toMatchObject({
      reward_status: 'none',
      confidence: null,
      image_url: image.cdn_url,
      requested_at: at,
    });

    const since = { today: '2000-01-01T00:00:00Z', week: '2999-01-01T00:00:00Z', month: '2000-01-01T00:00:00Z' };
    expect(await countScans(domain.database, 'u1', since)).toEqual({ today: 3, week: 0, month: 3 });
    expect(await countScans(domain.database, 'u2', since)).toEqual({ today: 0, week: 0, month: 0 });

    const task_id = 'b6a1f7f6-6d43-5c39-9c16-0f2d1c7a0010';
    const request = { scan_id: task_id, user_id: 'u1', image_url: image.cdn_url, user_input: 'a bottle' };
    await executeCommand(domain.unitOfWork, requestScan, request, aCause());
    const taskOf = async () => (await domain.rows('scan_tasks')).find((row) => row['task_id'] === task_id);
    expect(await taskOf()).toMatchObject({ scan_id: task_id, user_id: 'u1', status: 'requested', created_at: at, updated_at: at });
    const created_at: string = expect.any(String) as string;
    expect(await readScanTask(domain.database, 'u1', task_id)).toEqual({ task_id, scan_id: task_id, status: 'requested', created_at });
    expect(await readScanTask(domain.database, 'u2', task_id)).toBeUndefined();
    await domain.react(classifyRequestedScan, arrived(scanRequested, request), { kind: 'rejected', reason: 'blurred' });
    expect(await taskOf()).toMatchObject({ status: 'failed', updated_at: at });
    const tasks = (await domain.rows('scan_tasks')).map((row) => row['task_id']);
    expect(tasks, 'none of the scans of registered images').toEqual(expect.arrayContaining([asked, task_id]));
    expect(tasks).toHaveLength(2);
    expect((await domain.rows('scan_records')).find((row) => row['scan_id'] === task_id)).toMatchObject({
      status: 'failed',
      user_input: 'a bottle',
    });
  });

  it('character: the seeded catalogue, and ownerships that come, change and go', async () => {
    const domain = await openDomain('character');
    expect(await seedTable(domain.database, CHARACTER_SEED)).toHaveLength(CHARACTERS.length);
    expect(await seedTable(domain.database, CHARACTER_SEED)).toEqual([]);
    const [first, second] = [CHARACTERS[0]!, CHARACTERS[1]!];
    const named = async (text: string) => (await searchCharacters(domain.database, text, 50)).map(({ character_id }) => character_id);
    expect(await named('PETRI')).toEqual(CHARACTERS.filter(({ name }) => name.includes('Petri')).map(({ id }) => id));
    expect(await named('pet-bottle')).toEqual([first.id]);
    expect([await named('%'), await named('_etri'), await named('\\')]).toEqual([[], [], []]);
    expect(await readCharacter(domain.database, first.id)).toEqual({
      ...{ character_id: first.id, name: first.name, description: first.description, category: first.category },
      ...{ level: 0, evolves_from: null },
    });
    expect(await readCharacter(domain.database, 'nobody')).toBeUndefined();
    await domain.append(userCharactersAggregate, 'u1', [
      newEvent(characterAcquired, {
        user_id: 'u1',
        character_id: first.id,
        character_name: first.name,
        source: 'scan',
        source_id: scan_id,
      }),
      newEvent(characterAcquireFailed, { user_id: 'u1', scan_id, reason: 'already_owned' }),
      newEvent(characterEvolved, { user_id: 'u1', from_character_id: first.id, to_character_id: second.id, evolution_level: 1 }),
      newEvent(characterLost, { user_id: 'u1', character_id: second.id, reason: 'traded' }),
    ]);
    const rows = [...(await domain.rows('character_ownerships'))].sort((a) => (a['character_id'] === first.id ? -1 : 1));
    expect(rows).toMatchObject([
      { character_id: first.id, character_name: first.name, source: 'scan', source_id: scan_id, status: 'lost', released_at: at },
      { character_id: second.id, character_name: second.name, source: 'event', source_id: first.id, status: 'lost', released_at: at },
    ]);
  });

  it('my: a profile whose characters come and go, and its preferences', async () => {
    const domain = await openDomain('my');
    const profile = { user_id: 'u1', total_characters: 2, last_character_id: 'c2', last_character_name: 'Boxro' };
    await domain.append(profileAggregate, 'u1', [newEvent(profileUpdated, profile)]);
    expect(await domain.rows('users')).toMatchObject([{ ...profile, updated_at: at }]);
    await domain.react(countLostCharacter, arrived(characterLost, { user_id: 'u1', character_id: 'c1', reason: 'expired' }));
    expect(await domain.rows('users')).toMatchObject([{ ...profile, total_characters: 1, updated_at: at }]);

    const change = async (changes: Record<string, string | null>) =>
      executeCommand(domain.unitOfWork, changePreferences, { user_id: 'u1', changes }, aCause());
    await change({ language: 'ko', theme: 'dark' });
    expect(await change({ theme: null, push: 'off' })).toMatchObject({ result: { preferences: { language: 'ko', push: 'off' } } });
    expect(await domain.rows('preferences')).toEqual([{ user_id: 'u1', preferences: { language: 'ko', push: 'off' }, updated_at: at }]);
    expect(await change({ theme: null })).toMatchObject({ kind: 'accepted', events: [] });
    expect(await readProfile(domain.database, 'u1')).toMatchObject({
      ...profile,
      total_characters: 1,
      preferences: { language: 'ko', push: 'off' },
    });
    const { user_id, last_character_id, last_character_name } = profile;
    const found = { user_id, total_characters: 1, last_character_id, last_character_name };
    expect(await searchProfiles(domain.database, 'U', 5)).toEqual([found]);
    for (const text of ['1', 'u_', '%', 'u1x']) expect(await searchProfiles(domain.database, text, 5)).toEqual([]);
    expect(await readProfile(domain.database, 'nobody')).toEqual({
      user_id: 'nobody',
      total_characters: 0,
      last_character_id: null,
      last_character_name: null,
      preferences: {},
      updated_at: null,
    });
  });

  it('notification: a delivery, with its reason and the time of the database', async () => {
    const domain = await openDomain('notification');
    const event = arrived(scanFailed, { user_id: 'u1', scan_id, reason: 'blurred' });
    await domain.react(tellScanFailed, event, { kind: 'rejected', reason: 'no_device' });
    const delivery = {
      delivery_id: event.id,
      event_id: event.id,
      user_id: 'u1',
      kind: 'scan_failed',
      status: 'rejected',
      reason: 'no_device',
    };
    expect(await domain.rows('deliveries')).toEqual([{ ...delivery, created_at: at }]);
  });

  it('chat: a conversation with its answers, read page by page, and with a snapshot once it is long', async () => {
    const domain = await openDomain('chat');
    const session_id = '7c0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
    const owner = { session_id, user_id: 'u1' };
    await executeCommand(domain.unitOfWork, startConversation, owner, aCause());
    const ask = async (message_id: string) => {
      const command = { ...owner, message_id, text: 'Paper?', image_url: null };
      expect(await executeCommand(domain.unitOfWork, postMessage, command, aCause())).toMatchObject({ kind: 'accepted' });
      return arrived(messagePosted, { ...command, kind: 'text' });
    };
    const first = await ask('m01');
    await domain.react(answerMessage, first, { kind: 'answered', text: 'The blue bin.' });
    const answer = { message_id: answerIdOf('m01'), author: 'assistant', text: 'The blue bin.', reply_to: 'm01', created_at: at };
    const newest = await readMessages(domain.database, session_id, { before: undefined, limit: 1 });
    expect(newest).toMatchObject([answer, { message_id: 'm01', author: 'user', text: 'Paper?' }]);
    const older = await readMessages(domain.database, session_id, { before: answerIdOf('m01'), limit: 5 });
    expect(older.map(({ message_id }) => message_id)).toEqual(['m01']);

    for (let index = 2; index <= 51; index += 1) {
      const event = await ask(`m${index.toString().padStart(2, '0')}`);
      await domain.react(answerMessage, event, { kind: 'rejected', reason: 'assistant_refused_422' });
    }
    expect(await domain.rows('snapshots')).toMatchObject([
      { aggregate_id: session_id, sequence_number: 100, state: { status: 'open', messages: 50, unanswered: ['m50'] } },
    ]);
    // Rebuilt from the snapshot and from the first event on, it is the same.
    const now = await viewAggregate(domain.database, 'chat', conversationAggregate, session_id, { events: 2 });
    const then = await viewAggregate(domain.database, 'chat', conversationAggregate, session_id, { at: '9999-01-01T00:00:00Z', events: 0 });
    expect(now).toMatchObject({ version: 103n, state: then.state, history: [{ version: 102n, type: 'MessagePosted' }, { version: 103n }] });
    expect(then).toMatchObject({ version: 103n, state: { messages: 51, unanswered: [] }, history: [] });
    const [second] = (await viewAggregate(domain.database, 'chat', conversationAggregate, session_id, { events: 103 })).history.slice(1);
    const past = await viewAggregate(domain.database, 'chat', conversationAggregate, session_id, { at: second!.occurredAt, events: 9 });
    expect(past).toMatchObject({ version: 2n, state: { messages: 1, unanswered: ['m01'] }, history: [{}, { type: 'MessagePosted' }] });

    await executeCommand(domain.unitOfWork, endConversation, { ...owner, reason: 'ended_by_user' }, aCause());
    const ended = { session_id, status: 'ended', started_at: at, last_message_at: at, ended_at: at };
    expect(await readConversation(domain.database, 'u1', session_id)).toEqual(ended);
    expect(await readConversation(domain.database, 'u2', session_id)).toBeUndefined();
    expect(await readConversations(domain.database, 'u1', { before: undefined, limit: 5 })).toEqual([ended]);
    expect(await readConversations(domain.database, 'u1', { before: session_id, limit: 5 })).toEqual([]);
  });
});
