import type { HistoryQuery } from '../../core/define-projection.ts';
import { defineProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { JsonObject } from '../../core/json.ts';
import { characterAcquired, scanCompleted, scanFailed, scanRequested, scanRewardCompensated } from '../../schemas/catalogue.ts';

/** One document of the alias `scans`, by `scan_id`. Times are ISO 8601, UTC. */
export type ScanDocument = {
  readonly scan_id: string;
  readonly user_id: string;
  readonly image_id: string | null;
  readonly category: string | null;
  readonly confidence: number | null;
  readonly reward_eligible: boolean;
  readonly status: 'requested' | 'completed' | 'failed';
  readonly failure_reason: string | null;
  /** Null while nothing is decided: the scan is only requested. */
  readonly reward_status: 'pending' | 'granted' | 'none' | 'failed' | null;
  readonly reward_failure_reason: string | null;
  readonly character_id: string | null;
  readonly requested_at: string;
  /** When the classification ended, either way. */
  readonly completed_at: string | null;
  readonly trace_id: string;
};

const SCAN_EVENTS = [scanRequested, scanCompleted, scanFailed, scanRewardCompensated];

/** Every scan with its classification and what became of its reward. */
export const scanHistory = defineProjection({
  store: 'elasticsearch',
  name: 'scan-history',
  version: 1,
  reads: [...SCAN_EVENTS, characterAcquired],
  alias: 'scans',
  mapping: {
    scan_id: { type: 'keyword' },
    user_id: { type: 'keyword' },
    image_id: { type: 'keyword' },
    category: { type: 'keyword' },
    confidence: { type: 'double' },
    reward_eligible: { type: 'boolean' },
    status: { type: 'keyword' },
    failure_reason: { type: 'keyword' },
    reward_status: { type: 'keyword' },
    reward_failure_reason: { type: 'keyword' },
    character_id: { type: 'keyword' },
    requested_at: { type: 'date' },
    completed_at: { type: 'date' },
    trace_id: { type: 'keyword' },
  },
  documentIds: (event) => {
    if (event.type !== 'CharacterAcquired') return [event.payload.scan_id];
    const { source, source_id: scanId } = event.payload;
    return source === 'scan' && typeof scanId === 'string' ? [scanId] : [];
  },
  source: (event) => (event.type === 'CharacterAcquired' ? 'user_characters' : 'scan'),
  contiguousSources: ['scan'],
  fold: (document, event, id) => {
    const before = (document as ScanDocument | undefined) ?? requested(id, event.payload.user_id, event);
    switch (event.type) {
      case 'ScanRequested':
        return withReward({
          ...before,
          image_id: event.payload.image_id ?? null,
          requested_at: event.occurredAt,
          trace_id: event.traceId,
        });
      case 'ScanCompleted':
        return withReward({
          ...before,
          status: 'completed',
          category: event.payload.category,
          confidence: event.payload.confidence ?? null,
          reward_eligible: event.payload.reward_eligible ?? false,
          image_id: event.payload.image_id ?? before.image_id,
          completed_at: event.occurredAt,
        });
      case 'ScanFailed':
        return withReward({
          ...before,
          status: 'failed',
          failure_reason: event.payload.reason,
          image_id: event.payload.image_id ?? before.image_id,
          completed_at: event.occurredAt,
        });
      case 'ScanRewardCompensated':
        return withReward({ ...before, reward_failure_reason: event.payload.reason });
      case 'CharacterAcquired':
        return withReward({ ...before, character_id: event.payload.character_id });
    }
  },
  history: (event, id) => (event.type === 'ScanRequested' ? undefined : historyOfScan(id, event.payload.user_id)),
});

/** The stored events of one scan; those of the user's characters hold other scans' too. */
export function historyOfScan(scanId: string, userId: string): readonly HistoryQuery[] {
  return [
    { domain: 'scan', types: SCAN_EVENTS.map((event) => event.type), aggregateType: 'scan', aggregateId: scanId },
    { domain: 'character', types: [characterAcquired.type], aggregateType: 'user_characters', aggregateId: userId },
  ];
}

function requested(scanId: string, userId: string, event: EventRecord): ScanDocument {
  return {
    scan_id: scanId,
    user_id: userId,
    image_id: null,
    category: null,
    confidence: null,
    reward_eligible: false,
    status: 'requested',
    failure_reason: null,
    reward_status: null,
    reward_failure_reason: null,
    character_id: null,
    requested_at: event.occurredAt,
    completed_at: null,
    trace_id: event.traceId,
  };
}

/** The reward follows from the facts and not from their order: its events come from two domains. */
function withReward(scan: ScanDocument): ScanDocument & JsonObject {
  if (scan.character_id !== null) return { ...scan, reward_status: 'granted', reward_failure_reason: null };
  if (scan.reward_failure_reason !== null) return { ...scan, reward_status: 'failed' };
  if (scan.status === 'requested') return { ...scan, reward_status: null };
  return { ...scan, reward_status: scan.reward_eligible ? 'pending' : 'none' };
}
