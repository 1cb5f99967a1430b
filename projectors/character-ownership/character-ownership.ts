import { defineProjection } from '../../core/define-projection.ts';
import type { JsonObject } from '../../core/json.ts';
import { characterAcquired, characterEvolved, characterLost } from '../../schemas/catalogue.ts';

/** One document of the alias `characters-ownership`, by `user_id:character_id`. Times are ISO 8601, UTC. */
export type OwnershipDocument = {
  readonly user_id: string;
  readonly character_id: string;
  readonly character_name: string | null;
  readonly source: 'scan' | 'event' | 'purchase' | 'evolution' | null;
  readonly source_id: string | null;
  readonly acquired_at: string | null;
  /** False is a tombstone: the document stays, so that a late older event cannot bring the character back. */
  readonly owned: boolean;
  readonly lost_reason: 'expired' | 'traded' | 'deleted' | 'evolved' | null;
  readonly lost_at: string | null;
  /** The user's stream version at which it was acquired last, and lost last: decimal text, 0 for never. */
  readonly acquired_version: string;
  readonly lost_version: string;
};

const READS = [characterAcquired, characterLost, characterEvolved];

/**
 * Who owns, or owned, which character. Acquiring and losing come from different topics, in any order: each side keeps
 * its latest fact, and `owned` follows from comparing the two.
 */
export const characterOwnership = defineProjection({
  store: 'elasticsearch',
  name: 'character-ownership',
  version: 1,
  reads: READS,
  alias: 'characters-ownership',
  mapping: {
    user_id: { type: 'keyword' },
    character_id: { type: 'keyword' },
    character_name: { type: 'text', fields: { raw: { type: 'keyword', ignore_above: 256 } } },
    source: { type: 'keyword' },
    source_id: { type: 'keyword' },
    acquired_at: { type: 'date' },
    owned: { type: 'boolean' },
    lost_reason: { type: 'keyword' },
    lost_at: { type: 'date' },
    acquired_version: { type: 'keyword', index: false, doc_values: false },
    lost_version: { type: 'keyword', index: false, doc_values: false },
  },
  documentIds: (event) => {
    const { user_id: user } = event.payload;
    if (event.type !== 'CharacterEvolved') return [ownershipId(user, event.payload.character_id)];
    const { from_character_id: from, to_character_id: to } = event.payload;
    return from === to ? [ownershipId(user, to)] : [ownershipId(user, from), ownershipId(user, to)];
  },
  // Each side by itself: an evolution is a loss for the one character and an acquisition for the other.
  source: (event, id) => {
    if (event.type === 'CharacterEvolved')
      return id === ownershipId(event.payload.user_id, event.payload.to_character_id) ? 'acquired' : 'lost';
    return event.type === 'CharacterLost' ? 'lost' : 'acquired';
  },
  contiguousSources: [],
  fold: (document, event, id) => {
    const { user_id: user } = event.payload;
    const before = (document as OwnershipDocument | undefined) ?? neverOwned(user, id.slice(user.length + 1));
    switch (event.type) {
      case 'CharacterAcquired':
        return acquired(before, event.version, {
          character_name: event.payload.character_name,
          source: event.payload.source,
          source_id: event.payload.source_id ?? null,
          acquired_at: event.occurredAt,
        });
      case 'CharacterLost':
        return lost(before, event.version, { lost_reason: event.payload.reason, lost_at: event.occurredAt });
      case 'CharacterEvolved':
        return id === ownershipId(user, event.payload.to_character_id)
          ? acquired(before, event.version, {
              character_name: event.payload.character_name ?? null,
              source: 'evolution',
              source_id: event.payload.from_character_id,
              acquired_at: event.occurredAt,
            })
          : lost(before, event.version, { lost_reason: 'evolved', lost_at: event.occurredAt });
    }
  },
  history: (event) =>
    event.type === 'CharacterAcquired'
      ? undefined
      : [
          {
            domain: 'character',
            types: READS.map((read) => read.type),
            aggregateType: 'user_characters',
            aggregateId: event.payload.user_id,
          },
        ],
});

export function ownershipId(userId: string, characterId: string): string {
  return `${userId}:${characterId}`;
}

function neverOwned(userId: string, characterId: string): OwnershipDocument {
  return {
    user_id: userId,
    character_id: characterId,
    character_name: null,
    source: null,
    source_id: null,
    acquired_at: null,
    owned: false,
    lost_reason: null,
    lost_at: null,
    acquired_version: '0',
    lost_version: '0',
  };
}

type Acquired = Pick<OwnershipDocument, 'character_name' | 'source' | 'source_id' | 'acquired_at'>;
type Lost = Pick<OwnershipDocument, 'lost_reason' | 'lost_at'>;

function acquired(before: OwnershipDocument, version: bigint, fact: Acquired): OwnershipDocument & JsonObject {
  if (version <= BigInt(before.acquired_version)) return before;
  return withOwned({ ...before, ...fact, acquired_version: version.toString() });
}

function lost(before: OwnershipDocument, version: bigint, fact: Lost): OwnershipDocument & JsonObject {
  if (version <= BigInt(before.lost_version)) return before;
  return withOwned({ ...before, ...fact, lost_version: version.toString() });
}

function withOwned(ownership: OwnershipDocument): OwnershipDocument & JsonObject {
  return { ...ownership, owned: BigInt(ownership.acquired_version) > BigInt(ownership.lost_version) };
}
