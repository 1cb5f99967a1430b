import type { Reaction, StateChange, StoredEvent } from '../../core/define.ts';
import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { CommandDefinition, NewEvent, OverdueStep } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { eventId, streamVersion } from '../../core/envelope.ts';
import type { JsonObject } from '../../core/json.ts';
import { createPayloadValidator } from '../../schemas/validator.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import { OCCURRED_AT } from './given.ts';
import { applyChanges } from './state-tables.ts';

/** A record on its way to a reaction. */
interface Delivery {
  readonly domain: string;
  readonly reaction: Reaction;
  readonly event: EventRecord;
}

/** Answers the calls that reactions declare. */
export type Answer = (name: string, request: unknown) => unknown;

/**
 * A pipeline's decisions without the pipeline: streams, inboxes and tables in memory. Between groups and topics the order
 * is the caller's to choose; per group, topic and record key it is the order of the commits, as Kafka gives it.
 */
export class InMemoryChoreography {
  /** Every event ever committed, in the order of the commits. */
  readonly log: EventRecord[] = [];
  /** Records that their groups gave up. */
  readonly lost: Delivery[] = [];
  /** The steps that were decided, whatever they decided: `domain:event type`. */
  readonly decided = new Set<string>();
  private readonly streams = new Map<string, StoredEvent[]>();
  private readonly inboxes = new Set<string>();
  private readonly changes = new Map<string, StateChange[]>();
  private readonly waiting = new Map<string, { readonly domain: string; readonly reaction: Reaction; readonly events: EventRecord[] }>();
  private readonly pipeline: PipelineDefinition;
  private readonly answer: Answer;

  constructor(pipeline: PipelineDefinition, answer: Answer) {
    this.pipeline = pipeline;
    this.answer = answer;
  }

  execute<C, S, E extends StoredEvent>(command: CommandDefinition<C, S, E>, input: C): void {
    const id = command.aggregateId(input);
    const decision = command.decide(this.state(command.domain, command.aggregate, id), input, []);
    if (!('rejected' in decision)) this.commit(command.domain, command.aggregate, id, decision.events, decision.changes ?? [], undefined);
  }

  /** How many records could be handled next. */
  get ready(): number {
    return this.waiting.size;
  }

  /** Handles the first record of one of the `ready` lanes; with `again` the record is delivered once more afterwards. */
  deliver(choice: number, again: boolean): void {
    const delivery = this.take(choice);
    for (let times = again ? 2 : 1; times > 0; times -= 1) this.react(delivery);
  }

  /** Gives up the first record of one of the `ready` lanes when its step is one of these; else it is handled. */
  lose(choice: number, steps: readonly OverdueStep[]): void {
    const delivery = this.take(choice);
    if (steps.some(({ reaction }) => reaction === delivery.reaction)) this.lost.push(delivery);
    else this.react(delivery);
  }

  /** Puts a record that was given up behind its lane; it stays among those that may be settled. */
  replay(choice: number): void {
    const found = this.lost[choice % this.lost.length];
    if (found !== undefined) this.enqueue(found.domain, found.reaction, found.event);
  }

  /** Decides in place of a step whose record was given up. */
  settle(choice: number, steps: readonly OverdueStep[], { keep }: { readonly keep: boolean }): void {
    const index = choice % this.lost.length;
    const found = this.lost[index];
    const step = steps.find(({ reaction }) => reaction === found?.reaction);
    if (found === undefined || step === undefined) return;
    if (!keep) this.lost.splice(index, 1);
    this.react(found, ({ state, event, rows }) => step.decide({ state, event, rows }));
  }

  isDone(domain: string, idempotencyKey: string): boolean {
    return this.inboxes.has(`${domain} ${idempotencyKey}`);
  }

  rows(domain: string, table: string): readonly JsonObject[] {
    return applyChanges(this.changes.get(domain) ?? []).get(table) ?? [];
  }

  private take(choice: number): Delivery {
    const [lane, { domain, reaction, events }] = [...this.waiting][choice % this.waiting.size]!;
    const event = events.shift()!;
    if (events.length === 0) this.waiting.delete(lane);
    return { domain, reaction, event };
  }

  private react({ domain, reaction, event }: Delivery, decide: Reaction['decide'] = (input) => reaction.decide(input)): void {
    const request = reaction.call?.request(event);
    const result = request === undefined ? undefined : this.answer(reaction.call!.name, request);
    const key = `${domain} ${reaction.idempotencyKey(event)}`;
    if (this.inboxes.has(key)) return;
    this.inboxes.add(key);
    this.decided.add(`${domain}:${event.type}`);
    const id = reaction.aggregateId(event);
    const decision = decide({ state: this.state(domain, reaction.aggregate, id), event, result, rows: [] });
    this.commit(domain, reaction.aggregate, id, decision.events, decision.changes ?? [], event);
  }

  private state<S>(domain: string, aggregate: { type: string; initial(id: string): S; evolve(state: S, event: never): S }, id: string): S {
    return this.stream(domain, aggregate.type, id).reduce((state, event) => aggregate.evolve(state, event as never), aggregate.initial(id));
  }

  private stream(domain: string, type: string, id: string): StoredEvent[] {
    const name = `${domain} ${type} ${id}`;
    const stream = this.streams.get(name) ?? [];
    this.streams.set(name, stream);
    return stream;
  }

  private commit(
    domain: string,
    aggregate: { type: string; tables(event: never, id: string): readonly StateChange[] },
    id: string,
    events: readonly NewEvent[],
    changes: readonly StateChange[],
    cause: EventRecord | undefined,
  ): void {
    const stream = this.stream(domain, aggregate.type, id);
    const all = this.changes.get(domain) ?? [];
    this.changes.set(domain, all);
    for (const { type, payload } of events) {
      validator.validate(type, payload);
      const version = BigInt(stream.length + 1);
      const stored: StoredEvent = { type, payload, version, occurredAt: OCCURRED_AT };
      stream.push(stored);
      all.push(...aggregate.tables(stored as never, id));
      this.publish(id, stored, cause);
    }
    all.push(...changes);
  }

  private publish(streamId: string, { type, payload, version }: StoredEvent, cause: EventRecord | undefined): void {
    const { domain, keyField } = CATALOGUE.get(type)!;
    const id = eventId(`00000000-0000-4000-8000-${this.log.length.toString(16).padStart(12, '0')}`);
    const record: EventRecord = {
      id,
      type,
      payload,
      aggregateType: domain,
      aggregateId: (payload as Readonly<Record<string, string>>)[keyField]!,
      streamId,
      version: streamVersion(version),
      traceId: '0af7651916cd43dd8448eb211c80319c',
      requestId: undefined,
      traceparent: undefined,
      tracestate: undefined,
      correlationId: cause?.correlationId ?? id,
      causationId: cause?.id,
      occurredAt: OCCURRED_AT,
    };
    this.log.push(record);
    for (const { name, processor } of this.pipeline.domains) {
      for (const reaction of processor?.reactions ?? []) if (reaction.on === type) this.enqueue(name, reaction, record);
    }
  }

  private enqueue(domain: string, reaction: Reaction, record: EventRecord): void {
    const lane = `${domain} ${record.type} ${record.aggregateId}`;
    const waiting = this.waiting.get(lane);
    if (waiting === undefined) this.waiting.set(lane, { domain, reaction, events: [record] });
    else waiting.events.push(record);
  }
}

const validator = createPayloadValidator();
