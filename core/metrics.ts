/**
 * Every metric of the pipeline: name, kind, labels, help. Base units, one prefix, bounded labels: never a key, a user or
 * a trace id. Stages report through the `Metrics` port; rendering is the runtime's.
 */
const LATENCY_BUCKETS_SECONDS = Array.from({ length: 80 }, (_, index) => Number((0.001 * 1.17 ** index).toPrecision(4)));
const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

export const METRICS = {
  millrace_http_requests_total: { kind: 'counter', help: 'HTTP requests answered', labels: ['method', 'route', 'status'] },
  millrace_http_request_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the request to its answer',
    labels: ['method', 'route'],
    buckets: DURATION_BUCKETS_SECONDS,
  },
  millrace_capture_published_total: { kind: 'counter', help: 'Outbox rows acknowledged by Kafka', labels: ['domain', 'topic'] },
  millrace_capture_dead_lettered_total: {
    kind: 'counter',
    help: 'Outbox rows that went to the capture dead-letter topic',
    labels: ['domain', 'code'],
  },
  millrace_capture_latency_seconds: {
    kind: 'histogram',
    help: 'Time from the commit in PostgreSQL to the acknowledgement by Kafka',
    labels: ['domain'],
    buckets: LATENCY_BUCKETS_SECONDS,
  },
  millrace_capture_state: { kind: 'gauge', help: '1 for the state in which the relay of a domain is', labels: ['domain', 'state'] },
  millrace_capture_gap: {
    kind: 'gauge',
    help: '1 while the relay of a domain stands in a gap, by what was found',
    labels: ['domain', 'code'],
  },
  millrace_capture_repairs_total: { kind: 'counter', help: 'Automatic repairs of a gap, by result', labels: ['domain', 'result'] },
  millrace_capture_repaired_rows_total: {
    kind: 'counter',
    help: 'Outbox rows that a repair published',
    labels: ['domain'],
  },
  millrace_capture_phantom_rows: {
    kind: 'gauge',
    help: 'Events in the topics that the database did not have at the last automatic repair',
    labels: ['domain'],
  },
  millrace_capture_beyond_retention_rows: {
    kind: 'gauge',
    help: 'Outbox rows that the last automatic repair did not compare, because they are older than their topic keeps records',
    labels: ['domain'],
  },
  millrace_capture_unacknowledged_bytes: {
    kind: 'gauge',
    help: 'Bytes read from the slot and not yet acknowledged by Kafka',
    labels: ['domain'],
  },
  millrace_capture_confirmed_lag_bytes: {
    kind: 'gauge',
    help: 'WAL bytes between the server and the confirmed flush position',
    labels: ['domain'],
  },
  millrace_wal_stage: {
    kind: 'gauge',
    help: '1 for the stage in which the write-ahead log budget of a domain is: ok, warn, critical, lost',
    labels: ['domain', 'stage'],
  },
  millrace_wal_retained_bytes: { kind: 'gauge', help: 'Write-ahead log that the server keeps for the slot', labels: ['domain'] },
  millrace_wal_budget_bytes: { kind: 'gauge', help: 'Write-ahead log that the slot may hold back', labels: ['domain'] },
  millrace_wal_safe_bytes: {
    kind: 'gauge',
    help: 'Write-ahead log that may still be written before the slot can be lost; absent on a server without a limit',
    labels: ['domain'],
  },
  millrace_wal_oldest_transaction_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest open transaction with a number, which keeps the log of every slot',
    labels: ['domain'],
  },
  millrace_slot_catalog_xmin_age: {
    kind: 'gauge',
    help: 'Transactions since the one whose catalogue rows the slot still needs',
    labels: ['domain'],
  },
  millrace_unknown_slots: { kind: 'gauge', help: 'Slots on the server that this pipeline did not make', labels: ['domain'] },
  millrace_outbox_partitions_dropped_total: {
    kind: 'counter',
    help: 'Outbox partitions dropped because they were past their retention and captured',
    labels: ['domain'],
  },
  millrace_outbox_partitions_overdue: {
    kind: 'gauge',
    help: 'Outbox partitions past their retention that are kept because it is not proven that they were captured',
    labels: ['domain'],
  },
  millrace_maintenance_passes_total: { kind: 'counter', help: 'Passes of the upkeep of a domain database', labels: ['domain', 'result'] },
  millrace_maintenance_rows_swept_total: { kind: 'counter', help: 'Rows removed by the upkeep', labels: ['domain', 'table'] },
  millrace_records_in_total: { kind: 'counter', help: 'Records delivered to a group', labels: ['group', 'topic'] },
  millrace_records_out_total: { kind: 'counter', help: 'Records that left a group, by door', labels: ['group', 'topic', 'door'] },
  millrace_records_released_total: {
    kind: 'counter',
    help: 'Records given back undone at a rebalance or a stop; Kafka delivers them again: in = sum of the doors + released + in flight',
    labels: ['group', 'topic'],
  },
  millrace_records_in_flight: { kind: 'gauge', help: 'Records delivered to a group that have not left it', labels: ['group'] },
  millrace_record_attempts_total: { kind: 'counter', help: 'Failed attempts by error code', labels: ['group', 'code'] },
  millrace_processing_duration_seconds: {
    kind: 'histogram',
    help: 'Time from intake to the door',
    labels: ['group'],
    buckets: DURATION_BUCKETS_SECONDS,
  },
  millrace_consumer_lag_records: {
    kind: 'gauge',
    help: 'Records between the committed offset and the end of the partition',
    labels: ['group', 'topic', 'partition'],
  },
  millrace_stalled_partitions: {
    kind: 'gauge',
    help: 'Assigned partitions that are behind, wait for nothing and do not get on, in this process',
    labels: ['group'],
  },
  millrace_consumers_recreated_total: {
    kind: 'counter',
    help: 'Consumers that were made anew because partitions did not get on',
    labels: ['group'],
  },
  millrace_offset_resets_total: {
    kind: 'counter',
    help: 'Partitions that a group reads from their earliest record and not where it had stopped: nothing-committed, records-gone, log-shorter, topic-remade',
    labels: ['group', 'topic', 'reason'],
  },
  millrace_records_lost_total: {
    kind: 'counter',
    help: 'Offsets that were deleted from the log before the group had read them',
    labels: ['group', 'topic'],
  },
  millrace_breaker_state: {
    kind: 'gauge',
    help: '1 for the state in which the breaker between a group and a dependency is: closed, open, half-open',
    labels: ['group', 'dependency', 'state'],
  },
  millrace_parked_records: {
    kind: 'gauge',
    help: 'Records that wait for their next attempt, in the partitions of this process',
    labels: ['group'],
  },
  millrace_parked_oldest_seconds: { kind: 'gauge', help: 'Time since the oldest of them was parked', labels: ['group'] },
  millrace_blocked_keys: {
    kind: 'gauge',
    help: 'Keys that wait for a person because one of their records was given up, in the partitions of this process',
    labels: ['group'],
  },
  millrace_blocked_oldest_seconds: { kind: 'gauge', help: 'Time since the first of them was blocked', labels: ['group'] },
  millrace_parked_discarded_records: {
    kind: 'gauge',
    help: 'Parked records that operators have discarded, ever; every process of the group says the same',
    labels: ['group'],
  },
  millrace_parked_orphans: {
    kind: 'gauge',
    help: 'Parked records that no group of this pipeline reads any more; every process that looks says the same',
    labels: ['group'],
  },
  millrace_parked_orphans_oldest_seconds: { kind: 'gauge', help: 'Time since the oldest of them was parked', labels: ['group'] },
  millrace_dead_lettered_total: { kind: 'counter', help: 'Records that went to a dead-letter topic', labels: ['group', 'topic', 'code'] },
  millrace_step_batch_size: {
    kind: 'histogram',
    help: 'Reactions that went through one transaction together',
    labels: ['domain'],
    buckets: BATCH_BUCKETS,
  },
  millrace_step_batches_split_total: {
    kind: 'counter',
    help: 'Batches of reactions that the database refused and that were done again in parts',
    labels: ['domain', 'code'],
  },
  millrace_flows_overdue: { kind: 'gauge', help: 'Flows that have not ended within the deadline of their saga', labels: ['saga'] },
  millrace_flows_oldest_waiting_seconds: { kind: 'gauge', help: 'Age of the oldest flow that is overdue', labels: ['saga'] },
  millrace_flows_ended_total: { kind: 'counter', help: 'Flows that were seen to have ended, by end', labels: ['saga', 'end'] },
  millrace_flows_settled_total: {
    kind: 'counter',
    help: 'Decisions in place of a step that would not come any more, by result',
    labels: ['saga', 'action', 'result'],
  },
  millrace_flows_passed_over_total: {
    kind: 'counter',
    help: 'Flows that nobody judged, because the sweep had stood still for longer than can be judged',
    labels: ['saga'],
  },
  millrace_flow_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the first event of a flow to its end',
    labels: ['saga'],
    buckets: LATENCY_BUCKETS_SECONDS,
  },
  millrace_dead_letters: {
    kind: 'gauge',
    help: 'Letters in a dead-letter topic that nobody has handled: open, or archived for their age',
    labels: ['topic', 'state'],
  },
  millrace_projection_latency_seconds: {
    kind: 'histogram',
    help: 'Time from the event to its durable effect in the read model',
    labels: ['projection'],
    buckets: LATENCY_BUCKETS_SECONDS,
  },
  millrace_projected_total: { kind: 'counter', help: 'Events applied to a read model', labels: ['projection'] },
  millrace_read_fallback_total: { kind: 'counter', help: 'Reads answered by the write database', labels: ['query', 'reason'] },
  millrace_call_duration_seconds: {
    kind: 'histogram',
    help: 'Time of a declared call',
    labels: ['call', 'result'],
    buckets: DURATION_BUCKETS_SECONDS,
  },
  millrace_health: {
    kind: 'gauge',
    help: '1 for the status that /health reports of a part of the process: ok, degraded, down',
    labels: ['part', 'status'],
  },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof METRICS;
export type MetricLabels<N extends MetricName> = Readonly<Record<(typeof METRICS)[N]['labels'][number], string>>;
type MetricOfKind<K extends MetricRow['kind']> = { [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never }[MetricName];

/** Never throws, never blocks: measuring must not be able to stop the work. */
export interface Metrics {
  count<N extends MetricOfKind<'counter'>>(name: N, labels: MetricLabels<N>, by?: number): void;
  gauge<N extends MetricOfKind<'gauge'>>(name: N, labels: MetricLabels<N>, value: number): void;
  observe<N extends MetricOfKind<'histogram'>>(name: N, labels: MetricLabels<N>, value: number): void;
}

export const NO_METRICS: Metrics = { count: () => undefined, gauge: () => undefined, observe: () => undefined };
