/**
 * What somebody who builds their own pipeline imports: the definitions, the envelope, the outcomes, and the test kit. The
 * shipped domains use nothing else.
 */
export { definePipeline } from './core/define-pipeline.ts';
export { defineProjection } from './core/define-projection.ts';
export { defineCommand, defineDomain, defineEvent, defineProcessor, defineReaction, NOTHING } from './core/define.ts';
export { defineSaga, happened, inPlaceOf, madeUpFor, reactedTo } from './core/saga.ts';
export type { PipelineDefinition } from './core/define-pipeline.ts';
export type {
  ElasticsearchProjection,
  History,
  HistoryQuery,
  ProjectionDefinition,
  RedisMutation,
  RedisProjection,
} from './core/define-projection.ts';
export type {
  AggregateDefinition,
  CommandDefinition,
  Decision,
  DomainDefinition,
  EventDefinition,
  EndEvidence,
  EventOf,
  NewEvent,
  OverdueStep,
  ProcessorDefinition,
  Reaction,
  Rejection,
  RetryDefinition,
  SagaDefinition,
  StateChange,
  StoredEvent,
} from './core/define.ts';
export type { Envelope, EventId, EventRecord, StreamVersion } from './core/envelope.ts';
export { ClassifiedError, ERRORS } from './core/errors.ts';
export type { ErrorCode, ErrorDisposition } from './core/errors.ts';
export type { Door, HandlerResult, Outcome, SkipReason } from './core/outcome.ts';
export { createInMemoryBroker } from './runtime/kafka/in-memory-broker.ts';
