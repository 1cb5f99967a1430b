import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatAnswer, ChatQuestion, ClassificationResult, ImageProcessingResult } from '../core/calls.ts';
import type { CharacterAcquired, ScanCompleted } from '../schemas/generated/events.ts';
import { pipeline } from '../pipeline.ts';
import { InMemoryChoreography } from '../test/support/in-memory-choreography.ts';
import { evolveCharacter } from './character/evolve-character.ts';
import { MAX_CHARACTERS_PER_USER } from './character/grant-scan-reward.ts';
import { loseCharacter } from './character/lose-character.ts';
import { endConversation } from './chat/end-conversation.ts';
import { postMessage } from './chat/post-message.ts';
import { startConversation } from './chat/start-conversation.ts';
import { deleteImage } from './image/delete-image.ts';
import { registerImage } from './image/register-image.ts';
import { requestScan } from './scan/request-scan.ts';
import { scanIdOf } from './scan/scan-id.ts';
import { REWARDABLE_CATEGORIES, UNREWARDED_CATEGORIES } from './waste-categories.ts';

interface Upload {
  readonly user: string;
  readonly classification: ClassificationResult;
  readonly processing: ImageProcessingResult;
  /** Registered as an image, or handed to the classifier by its address alone. */
  readonly by: 'registration' | 'request';
  /** What the user does in the meantime. */
  readonly meanwhile: 'nothing' | 'gives a character up' | 'evolves a character' | 'deletes the image';
}

const classification: fc.Arbitrary<ClassificationResult> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('classified' as const),
      category: fc.constantFrom(...REWARDABLE_CATEGORIES),
      confidence: fc.double({ min: 0.4, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('classified' as const),
      category: fc.constantFrom(...UNREWARDED_CATEGORIES),
      confidence: fc.constant(1),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'rejected' as const, reason: 'not_an_image' }) },
);
const uploads: fc.Arbitrary<Upload[]> = fc.array(
  fc.record({
    user: fc.constantFrom('u1', 'u2'),
    classification,
    processing: fc.constantFrom<ImageProcessingResult>({ kind: 'processed' }, { kind: 'rejected', reason: 'too_large' }),
    by: fc.constantFrom('registration' as const, 'request' as const),
    meanwhile: fc.oneof(
      { weight: 3, arbitrary: fc.constant('nothing' as const) },
      {
        weight: 2,
        arbitrary: fc.constantFrom('gives a character up' as const, 'evolves a character' as const, 'deletes the image' as const),
      },
    ),
  }),
  { minLength: 1, maxLength: 60, size: 'max' },
);
const schedule = fc.infiniteStream(fc.record({ lane: fc.nat(1_000), again: fc.boolean() }));

function imageId(index: number): string {
  return `5f0a6a6e-5a57-4a9a-8f39-${index.toString(16).padStart(12, '0')}`;
}

function scanId({ by }: Upload, index: number): string {
  return by === 'registration' ? scanIdOf(imageId(index)) : `b6a1f7f6-6d43-4c39-9c16-${index.toString(16).padStart(12, '0')}`;
}

/** Sends everything and delivers, in an order of the schedule's choosing, until nothing waits any more. */
function play(wanted: readonly Upload[], order: Iterator<{ lane: number; again: boolean }>): InMemoryChoreography {
  const uploadOf = new Map(wanted.map((upload, index) => [`https://cdn.example/${imageId(index)}`, upload]));
  const world = new InMemoryChoreography(pipeline, (name, request) => {
    const upload = uploadOf.get((request as { imageUrl?: string }).imageUrl ?? '');
    if (name === 'classify') return upload?.classification;
    if (name === 'processImage') return upload?.processing;
    return name === 'answer' ? { kind: 'answered', text: 'yes' } : { kind: 'sent' };
  });
  wanted.forEach((upload, index) => {
    begin(world, upload, index);
    if (index % 3 === 0) step(world, order);
    interfere(world, upload, index);
  });
  while (world.ready > 0) step(world, order);
  return world;
}

function begin(world: InMemoryChoreography, upload: Upload, index: number): void {
  const image_id = imageId(index);
  const url = `https://cdn.example/${image_id}`;
  if (upload.by === 'registration') world.execute(registerImage, { image_id, user_id: upload.user, cdn_url: url });
  else world.execute(requestScan, { scan_id: scanId(upload, index), user_id: upload.user, image_url: url, user_input: null });
}

function interfere(world: InMemoryChoreography, { user, meanwhile }: Upload, index: number): void {
  const character_id = ownedBy(world, user)[index % 3];
  if (meanwhile === 'deletes the image') world.execute(deleteImage, { image_id: imageId(index), user_id: user });
  if (character_id === undefined) return;
  if (meanwhile === 'gives a character up') world.execute(loseCharacter, { user_id: user, character_id, reason: 'traded' });
  if (meanwhile === 'evolves a character') world.execute(evolveCharacter, { user_id: user, character_id });
}

function ownedBy(world: InMemoryChoreography, user: string): string[] {
  const rows = world.rows('character', 'character_ownerships');
  return rows.filter((row) => row['user_id'] === user && row['status'] === 'owned').map((row) => row['character_id'] as string);
}

function step(world: InMemoryChoreography, order: Iterator<{ lane: number; again: boolean }>): void {
  const next = order.next();
  if (world.ready > 0 && next.done !== true) world.deliver(next.value.lane, next.value.again);
}

const count = (world: InMemoryChoreography, type: string, user?: string): number =>
  world.log.filter((event) => event.type === type && (user === undefined || event.aggregateId === user)).length;

describe('the choreography, in any order between topics and with any record delivered twice', () => {
  it('ends every scan, once, with a reward that nobody still waits for', () => {
    fc.assert(
      fc.property(uploads, schedule, (wanted, order) => {
        const world = play(wanted, order[Symbol.iterator]());
        const scans = world.rows('scan', 'scan_records');
        expect(scans.map((scan) => scan['scan_id']).sort()).toEqual(wanted.map(scanId).sort());
        for (const scan of scans) {
          if (scan['status'] === 'failed') expect(scan).toMatchObject({ reward_status: 'none', failure_reason: 'not_an_image' });
          else if (scan['reward_eligible'] === true) expect(scan['reward_status']).toMatch(/^(granted|failed)$/);
          else expect(scan['reward_status']).toBe('none');
          expect(scan['image_url']).toMatch(/^https:/);
        }
        expect(scans.filter((scan) => scan['reward_status'] === 'granted')).toHaveLength(count(world, 'CharacterAcquired'));
        expect(scans.filter((scan) => scan['reward_status'] === 'failed')).toHaveLength(count(world, 'ScanRewardCompensated'));
      }),
      { numRuns: 150 },
    );
  });

  it('answers every eligible scan with one character or one refusal', () => {
    fc.assert(
      fc.property(uploads, schedule, (wanted, order) => {
        const world = play(wanted, order[Symbol.iterator]());
        const eligible = world.log.filter((event) => event.type === 'ScanCompleted' && (event.payload as ScanCompleted).reward_eligible);
        expect(count(world, 'CharacterAcquired') + count(world, 'CharacterAcquireFailed')).toBe(eligible.length);
      }),
      { numRuns: 150 },
    );
  });

  it('gives nobody a character twice or more than the limit, and counts what it gave and what was given up', () => {
    fc.assert(
      fc.property(uploads, schedule, (wanted, order) => {
        const world = play(wanted, order[Symbol.iterator]());
        for (const user of ['u1', 'u2']) {
          const owned = ownedBy(world, user);
          expect(owned).toHaveLength(count(world, 'CharacterAcquired', user) - count(world, 'CharacterLost', user));
          expect(owned.length).toBeLessThanOrEqual(MAX_CHARACTERS_PER_USER);
          expect(new Set(owned).size).toBe(owned.length);
          const profile = world.rows('my', 'users').find((row) => row['user_id'] === user);
          expect(profile?.['total_characters'] ?? 0).toBe(owned.length);
          const acquired = world.log.filter((event) => event.type === 'CharacterAcquired' && event.aggregateId === user);
          const last = acquired.at(-1)?.payload as CharacterAcquired | undefined;
          if (profile !== undefined) expect(profile['last_character_id']).toBe(last?.character_id);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('tells the user of every end once', () => {
    fc.assert(
      fc.property(uploads, schedule, (wanted, order) => {
        const world = play(wanted, order[Symbol.iterator]());
        const told = count(world, 'CharacterAcquired') + count(world, 'ScanRewardCompensated') + count(world, 'ScanFailed');
        expect(world.rows('notification', 'deliveries')).toHaveLength(told);
      }),
      { numRuns: 150 },
    );
  });

  it('processes every image that can be and was not deleted before, once', () => {
    fc.assert(
      fc.property(uploads, schedule, (wanted, order) => {
        const world = play(wanted, order[Symbol.iterator]());
        const images = new Map(world.rows('image', 'images').map((row) => [row['image_id'], row]));
        wanted.forEach(({ by, processing, meanwhile }, index) => {
          const said = world.log.filter(({ type, streamId }) => type === 'ImageProcessed' && streamId === imageId(index)).length;
          const isDeleted = meanwhile === 'deletes the image';
          const mayBe = by === 'registration' && processing.kind === 'processed';
          expect(said).toBeLessThanOrEqual(mayBe ? 1 : 0);
          if (!isDeleted) expect(said).toBe(mayBe ? 1 : 0);
          const status = isDeleted ? 'deleted' : mayBe ? 'processed' : 'registered';
          expect(images.get(imageId(index))?.['status']).toBe(by === 'registration' ? status : undefined);
        });
      }),
      { numRuns: 150 },
    );
  });

  it('goes through every step that the pipeline declares, compensation included', () => {
    const decided = new Set<string>();
    fc.assert(
      fc.property(uploads, schedule, (wanted, order) => {
        const steps = order[Symbol.iterator]();
        const world = play(wanted, steps);
        world.execute(startConversation, { session_id: 's1', user_id: 'u1' });
        world.execute(postMessage, { session_id: 's1', message_id: 'm1', user_id: 'u1', text: 'hi', image_url: null });
        while (world.ready > 0) step(world, steps);
        for (const one of world.decided) decided.add(one);
      }),
      { numRuns: 50 },
    );
    const declared = pipeline.domains.flatMap(({ name, processor }) => (processor?.reactions ?? []).map(({ on }) => `${name}:${on}`));
    expect([...decided].sort()).toEqual(declared.sort());
  });

  it('answers every message of a conversation once, or ends it', () => {
    const answers = fc.constantFrom<ChatAnswer>({ kind: 'answered', text: 'yes' }, { kind: 'rejected', reason: 'refused' });
    const talk = fc.array(fc.record({ session: fc.constantFrom('s1', 's2'), answer: answers, ends: fc.integer({ min: 0, max: 19 }) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(talk, schedule, (messages, order) => {
        const steps = order[Symbol.iterator]();
        const world = new InMemoryChoreography(pipeline, (name, request) =>
          name === 'answer' ? messages[Number((request as ChatQuestion).messageId)]?.answer : { kind: 'sent' },
        );
        for (const session_id of ['s1', 's2']) world.execute(startConversation, { session_id, user_id: 'u1' });
        messages.forEach(({ session: session_id, ends }, index) => {
          world.execute(postMessage, { session_id, message_id: index.toString(), user_id: 'u1', text: 'hi', image_url: null });
          if (index % 2 === 0) step(world, steps);
          if (ends === 0) world.execute(endConversation, { session_id, user_id: 'u1', reason: 'ended_by_user' });
        });
        while (world.ready > 0) step(world, steps);

        const rows = world.rows('chat', 'messages');
        const answered = rows.flatMap((row) => (row['author'] === 'assistant' ? [row['reply_to']] : []));
        expect(new Set(answered).size).toBe(answered.length);
        const ended = world.rows('chat', 'conversations').flatMap((row) => (row['status'] === 'ended' ? [row['session_id']] : []));
        for (const row of rows) {
          if (row['author'] === 'user' && !ended.includes(row['session_id'])) expect(answered).toContain(row['message_id']);
        }
        expect(world.rows('notification', 'deliveries')).toHaveLength(answered.length);
      }),
      { numRuns: 150 },
    );
  });
});
