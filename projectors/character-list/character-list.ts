import type { EventRecord } from '../../core/envelope.ts';
import type { RedisMutation } from '../../core/define-projection.ts';
import { defineProjection } from '../../core/define-projection.ts';
import { characterAcquired, characterEvolved, characterLost } from '../../schemas/catalogue.ts';

/** One field of the hash `character:{user_id}:list`, named by the character. */
export type CharacterListEntry = {
  readonly id: string;
  /** Null when it evolved before the event told the name. */
  readonly name: string | null;
  /** ISO 8601, UTC. */
  readonly acquired_at: string;
  readonly source: 'scan' | 'event' | 'purchase' | 'evolution';
};

const DAY_MS = 86_400_000;
const READS = [characterAcquired, characterLost, characterEvolved];

/** The characters that a user owns now. */
export const characterList = defineProjection({
  store: 'redis',
  structure: 'hash',
  name: 'character-list',
  version: 1,
  reads: READS,
  ttlMs: DAY_MS,
  mutations: (event) => {
    const key = characterListKey(event.payload.user_id);
    switch (event.type) {
      case 'CharacterAcquired':
        return [
          put(key, event, {
            id: event.payload.character_id,
            name: event.payload.character_name,
            acquired_at: event.occurredAt,
            source: event.payload.source,
          }),
        ];
      case 'CharacterLost':
        return [drop(key, event, event.payload.character_id)];
      case 'CharacterEvolved': {
        const { from_character_id: from, to_character_id: to } = event.payload;
        const evolved = put(key, event, {
          id: to,
          name: event.payload.character_name ?? null,
          acquired_at: event.occurredAt,
          source: 'evolution',
        });
        return from === to ? [evolved] : [drop(key, event, from), evolved];
      }
    }
  },
  history: (key) => [
    {
      domain: 'character',
      types: READS.map((event) => event.type),
      aggregateType: 'user_characters',
      aggregateId: userOfCharacterListKey(key),
    },
  ],
});

export function characterListKey(userId: string): string {
  return `character:${userId}:list`;
}

function userOfCharacterListKey(key: string): string {
  return key.slice('character:'.length, -':list'.length);
}

function put(key: string, event: EventRecord, value: CharacterListEntry): RedisMutation {
  return { op: 'put', key, field: value.id, version: event.version, value };
}

function drop(key: string, event: EventRecord, field: string): RedisMutation {
  return { op: 'drop', key, field, version: event.version };
}
