import type { DomainDefinition, SagaDefinition } from './define.ts';
import type { ProjectionDefinition } from './define-projection.ts';
import { retentionFault } from './retention.ts';
import { retryFault } from './retry-policy.ts';

export interface PipelineDefinition {
  readonly domains: readonly DomainDefinition[];
  readonly projections: readonly ProjectionDefinition[];
  readonly sagas?: readonly SagaDefinition[];
}

/**
 * @throws RangeError when an event type is declared twice, when a reaction, projection or saga names something that nobody declares,
 * when retries are no times, or when a topic that a processor reads would keep records for longer than the inbox remembers them.
 */
export function definePipeline(definition: PipelineDefinition): PipelineDefinition {
  const declared = new Set<string>();
  for (const domain of definition.domains) {
    for (const event of domain.events) {
      if (declared.has(event.type)) throw new RangeError(`event ${event.type} is declared twice`);
      declared.add(event.type);
    }
  }
  const processed = new Set<string>();
  for (const domain of definition.domains) {
    for (const reaction of domain.processor?.reactions ?? []) {
      if (!declared.has(reaction.on)) throw new RangeError(`processor ${domain.name} waits for ${reaction.on}, which no domain declares`);
      processed.add(reaction.on);
    }
  }
  for (const { type, retentionMs } of definition.domains.flatMap(({ events }) => events)) {
    const fault = retentionFault(retentionMs, processed.has(type));
    if (fault !== undefined) throw new RangeError(`event ${type}: ${fault}`);
  }
  for (const projection of definition.projections) {
    for (const event of projection.reads) {
      if (!declared.has(event.type)) throw new RangeError(`projection ${projection.name} reads ${event.type}, which no domain declares`);
    }
  }
  checkRetries(definition);
  for (const saga of definition.sagas ?? []) checkSaga(saga, definition, declared);
  return definition;
}

function checkRetries({ domains, projections }: PipelineDefinition): void {
  const all = [
    ...domains.map(({ name, processor }) => ({ what: `processor ${name}`, retry: processor?.retry })),
    ...projections.map(({ name, retry }) => ({ what: `projection ${name}`, retry })),
  ];
  for (const { what, retry } of all) {
    const fault = retry === undefined ? undefined : retryFault(retry);
    if (fault !== undefined) throw new RangeError(`${what}: ${fault}`);
  }
}

function checkSaga(saga: SagaDefinition, { domains, sagas = [] }: PipelineDefinition, declared: ReadonlySet<string>): void {
  if (sagas.filter(({ name }) => name === saga.name).length > 1) throw new RangeError(`saga ${saga.name} is declared twice`);
  const evidence = saga.ends.flatMap(({ all }) => all);
  const types = [...saga.begins, ...evidence.flatMap((piece) => (piece.kind === 'event' ? [piece.type] : []))];
  for (const type of types) if (!declared.has(type)) throw new RangeError(`saga ${saga.name} names ${type}, which no domain declares`);
  for (const piece of evidence) {
    if (piece.kind === 'event') continue;
    const reactions = domains.find(({ name }) => name === piece.domain)?.processor?.reactions ?? [];
    if (!reactions.some(({ on }) => on === piece.on)) {
      throw new RangeError(`saga ${saga.name} names a step of ${piece.domain} on ${piece.on}, and there is no such reaction`);
    }
  }
  for (const { reaction } of saga.overdue) {
    if (!domains.some(({ processor }) => processor?.reactions.includes(reaction) === true)) {
      throw new RangeError(`saga ${saga.name} decides in place of a reaction to ${reaction.on} that no processor has`);
    }
  }
}
