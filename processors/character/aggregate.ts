import type { AggregateDefinition, StateChange } from '../../core/define.ts';
import type { CharacterEvolved } from '../../schemas/generated/events.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';
import { characterById } from './catalogue.ts';

/** All of one user's characters are one aggregate, because the limit is decided over them. */
export type UserCharactersState = { readonly owned: readonly string[] };
export type UserCharactersEvent = StoredEventOf<'CharacterAcquired' | 'CharacterAcquireFailed' | 'CharacterLost' | 'CharacterEvolved'>;

const OWNERSHIPS = 'character_ownerships';

export const userCharactersAggregate: AggregateDefinition<UserCharactersState, UserCharactersEvent> = {
  type: 'user_characters',
  initial: () => ({ owned: [] }),
  evolve(state, event) {
    switch (event.type) {
      case 'CharacterAcquired':
        return { owned: [...without(state, event.payload.character_id), event.payload.character_id] };
      case 'CharacterAcquireFailed':
        return state;
      case 'CharacterLost':
        return { owned: without(state, event.payload.character_id) };
      case 'CharacterEvolved':
        return { owned: [...without(state, event.payload.from_character_id), event.payload.to_character_id] };
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, userId) {
    switch (event.type) {
      case 'CharacterAcquired': {
        const { character_id, character_name, source, source_id = null } = event.payload;
        return [owned(userId, character_id, { character_name, source, source_id, acquired_at: event.occurredAt })];
      }
      case 'CharacterAcquireFailed':
        return [];
      case 'CharacterLost':
        return [lost(userId, event.payload.character_id, event.occurredAt)];
      case 'CharacterEvolved':
        return evolved(userId, event.payload, event.occurredAt);
      default:
        return unknownStoredEvent(event);
    }
  },
};

function without(state: UserCharactersState, characterId: string): string[] {
  return state.owned.filter((id) => id !== characterId);
}

interface Acquisition {
  readonly character_name: string;
  readonly source: string;
  readonly source_id: string | null;
  readonly acquired_at: string;
}

function owned(user_id: string, character_id: string, { character_name, source, source_id, acquired_at }: Acquisition): StateChange {
  const set = { character_name, source, source_id, acquired_at, released_at: null, status: 'owned' };
  return { op: 'upsert', table: OWNERSHIPS, key: { user_id, character_id }, set };
}

function lost(user_id: string, character_id: string, released_at: string): StateChange {
  return { op: 'update', table: OWNERSHIPS, key: { user_id, character_id }, set: { released_at, status: 'lost' } };
}

function evolved(
  userId: string,
  { from_character_id, to_character_id, character_name: name }: CharacterEvolved,
  at: string,
): StateChange[] {
  const character_name = name ?? characterById(to_character_id)?.name ?? to_character_id;
  const acquisition = { character_name, source: 'event', source_id: from_character_id, acquired_at: at };
  return [lost(userId, from_character_id, at), owned(userId, to_character_id, acquisition)];
}
