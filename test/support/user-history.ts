import fc from 'fast-check';
import type { History, HistoryQuery } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { eventId, streamVersion } from '../../core/envelope.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import type { EventPayloads, EventType } from '../../schemas/generated/events.ts';

/** What a user does, as the domains' event stores hold it: in the order of the commits. */
export interface UserHistory {
  readonly userId: string;
  readonly events: readonly EventRecord[];
}

const FIRST_DAY_MS = Date.UTC(2026, 10, 14, 12);

/** Makes events of one user, each with the next version of its stream. */
export class HistoryBuilder {
  readonly userId: string;
  readonly events: EventRecord[] = [];
  private readonly versions = new Map<string, bigint>();
  private readonly versionsBefore: bigint;
  private nowMs = FIRST_DAY_MS;

  /** @param versionsBefore what the user's own stream has counted already. */
  constructor(userId: string, versionsBefore = 0n) {
    this.userId = userId;
    this.versionsBefore = versionsBefore;
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  add<T extends EventType>(type: T, payload: EventPayloads[T]): EventRecord<T, EventPayloads[T]> {
    const definition = CATALOGUE.get(type);
    if (definition === undefined) throw new RangeError(`no event ${type}`);
    const isScan = 'scan_id' in payload && definition.domain === 'scan';
    const stream = isScan ? payload.scan_id : this.userId;
    const version = (this.versions.get(stream) ?? (isScan ? 0n : this.versionsBefore)) + 1n;
    this.versions.set(stream, version);
    this.nowMs += 1;
    const event: EventRecord<T, EventPayloads[T]> = {
      id: eventId(uuidOf(this.events.length)),
      type,
      aggregateType: definition.domain,
      aggregateId: this.userId,
      streamId: stream,
      version: streamVersion(version),
      traceId: uuidOf(this.events.length).replaceAll('-', ''),
      requestId: undefined,
      traceparent: undefined,
      tracestate: undefined,
      correlationId: undefined,
      causationId: undefined,
      occurredAt: new Date(this.nowMs).toISOString().replace('Z', '123Z'),
      payload,
    };
    this.events.push(event);
    return event;
  }
}

type Action =
  | { readonly do: 'scan'; readonly scan: number; readonly eligible: boolean; readonly character: number }
  | { readonly do: 'acquire' | 'lose'; readonly character: number }
  | { readonly do: 'evolve'; readonly character: number; readonly into: number };

const small = fc.nat({ max: 2 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('scan' as const), scan: small, eligible: fc.boolean(), character: small }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('acquire' as const, 'lose' as const), character: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evolve' as const), character: small, into: small }) },
);

/** Histories with scans in every state, characters acquired, lost, acquired again and evolved, over some weeks. */
export function userHistories(userId: string): fc.Arbitrary<UserHistory> {
  const steps = fc.array(fc.record({ action, waitMs: fc.nat({ max: 3 * 86_400_000 }) }), { minLength: 1, maxLength: 25 });
  return steps.map((list) => {
    const builder = new HistoryBuilder(userId);
    const scans = new Map<number, number>();
    for (const { action: step, waitMs } of list) {
      builder.wait(waitMs);
      play(builder, scans, step);
    }
    return { userId, events: builder.events };
  });
}

/** A scan goes one step further each time it is named. */
function play(builder: HistoryBuilder, scans: Map<number, number>, step: Action): void {
  const user_id = builder.userId;
  switch (step.do) {
    case 'acquire':
      builder.add('CharacterAcquired', { user_id, ...characterOf(step.character), source: 'event', source_id: null });
      return;
    case 'lose':
      builder.add('CharacterLost', { user_id, character_id: characterOf(step.character).character_id, reason: 'traded' });
      return;
    case 'evolve':
      builder.add('CharacterEvolved', {
        user_id,
        from_character_id: characterOf(step.character).character_id,
        to_character_id: characterOf(step.into).character_id,
        evolution_level: 1,
        character_name: characterOf(step.into).character_name,
      });
      return;
    case 'scan': {
      const scan_id = `${user_id}-scan-${step.scan}`;
      const done = scans.get(step.scan) ?? 0;
      scans.set(step.scan, done + 1);
      if (done === 0) builder.add('ScanRequested', { scan_id, user_id, image_id: `image-${step.scan}` });
      else if (done === 1 && !step.eligible && step.character === 0) builder.add('ScanFailed', { scan_id, user_id, reason: 'unreadable' });
      else if (done === 1)
        builder.add('ScanCompleted', { scan_id, user_id, category: 'glass', reward_eligible: step.eligible, confidence: 0.5 });
      else if (done === 2 && step.eligible) builder.add('ScanRewardCompensated', { scan_id, user_id, reason: 'already_owned' });
      else if (done <= 3) builder.add('CharacterAcquired', { user_id, ...characterOf(step.character), source: 'scan', source_id: scan_id });
    }
  }
}

function characterOf(index: number): { readonly character_id: string; readonly character_name: string } {
  return { character_id: `character-${index}`, character_name: `Character ${index}` };
}

/** What happens at once, then what is committed by then, and whether the stores are disturbed afterwards. */
export interface Delivery {
  readonly events: readonly EventRecord[];
  readonly committed: number;
  readonly disturb: boolean;
}

/**
 * One way in which the topics can deliver a history: in order within each topic (one topic per event type), in any order
 * across topics, with parts delivered again, never before the commit. Ends when everything was delivered.
 */
export function deliveriesOf(history: UserHistory, wanted: ReadonlySet<string>, choices: readonly number[]): readonly Delivery[] {
  const topics = new Map<string, number[]>();
  for (const [index, event] of history.events.entries()) {
    if (!wanted.has(event.type)) continue;
    topics.set(event.type, [...(topics.get(event.type) ?? []), index]);
  }
  const position = new Map([...topics.keys()].map((topic) => [topic, 0]));
  const deliveries: Delivery[] = [];
  let committed = 0;
  for (let step = 0; ; step += 1) {
    const choice = choices[step] ?? 0;
    const open = [...topics].filter(([topic, indices]) => (position.get(topic) ?? 0) < indices.length);
    if (open.length === 0) return deliveries;
    const batch: number[] = [];
    for (let taken = 0; taken <= choice % 4; taken += 1) {
      const [topic, indices] = open[(choice + taken) % open.length]!;
      const at = position.get(topic) ?? 0;
      const index = indices[at];
      if (index === undefined) continue;
      batch.push(index);
      position.set(topic, at + 1);
    }
    committed = Math.min(history.events.length, Math.max(committed, ...batch.map((index) => index + 1)) + (choice % 3));
    const events = batch.map((index) => history.events[index]!);
    deliveries.push({ events: choice % 5 === 4 ? [...events, ...events] : events, committed, disturb: choice % 13 === 12 });
    if (choice % 7 === 6) rewind(position, topics, choice);
  }
}

/** A consumer that comes back reads again what it had not committed. */
function rewind(position: Map<string, number>, topics: ReadonlyMap<string, readonly number[]>, choice: number): void {
  const names = [...topics.keys()];
  const topic = names[choice % names.length]!;
  position.set(topic, Math.max(0, (position.get(topic) ?? 0) - 1 - (choice % 3)));
}

export const deliveryChoices = fc.array(fc.nat({ max: 10_000 }), { maxLength: 60 });

/** An event store that holds the first `committed` events of the history. */
export class CommittedHistory implements History {
  committed = 0;
  readonly asked: HistoryQuery[] = [];
  private readonly all: readonly EventRecord[];

  constructor(events: readonly EventRecord[], committed = 0) {
    this.all = events;
    this.committed = committed;
  }

  async events(query: HistoryQuery): Promise<readonly EventRecord[]> {
    this.asked.push(query);
    return this.all
      .slice(0, this.committed)
      .filter(
        (event) =>
          event.aggregateType === query.domain &&
          query.types.includes(event.type) &&
          (query.aggregateId === undefined || query.aggregateId === event.streamId) &&
          (query.occurredFrom === undefined || event.occurredAt >= query.occurredFrom) &&
          (query.occurredBefore === undefined || event.occurredAt < query.occurredBefore),
      );
  }

  async *pages(query: HistoryQuery): AsyncIterable<readonly EventRecord[]> {
    for (const event of await this.events(query)) yield [event];
  }
}

function uuidOf(index: number): string {
  return `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
}
