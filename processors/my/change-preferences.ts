import { defineCommand } from '../../core/define.ts';
import { preferencesChanged } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ProfileEvent, ProfileState } from './aggregate.ts';
import { PREFERENCES, mergedPreferences, profileAggregate } from './aggregate.ts';

/** A profile is loaded for every character: what a user may store in it is bounded. */
export const MAX_PREFERENCES = 64;

export interface ChangePreferences {
  readonly user_id: string;
  /** New value by name; null takes one away. */
  readonly changes: { readonly [name: string]: string | null };
}

/** Changes what differs from what is there; the answer holds all preferences as they are then. */
export const changePreferences = defineCommand<ChangePreferences, ProfileState, ProfileEvent>({
  name: 'ChangePreferences',
  domain: 'my',
  aggregate: profileAggregate,
  aggregateId: (command) => command.user_id,
  decide({ preferences: before }, { user_id, changes }) {
    const differing = Object.entries(changes).filter(([name, value]) => value !== (Object.hasOwn(before, name) ? before[name] : null));
    const preferences = mergedPreferences(before, changes);
    if (Object.keys(preferences).length > MAX_PREFERENCES) {
      return { rejected: 'too_many_preferences', detail: `A profile holds at most ${MAX_PREFERENCES} preferences.` };
    }
    if (differing.length === 0) return { events: [], result: { preferences } };
    return {
      events: [newEvent(preferencesChanged, { user_id, changes: Object.fromEntries(differing) })],
      changes: [{ op: 'update', table: PREFERENCES, key: { user_id }, set: { preferences } }],
      result: { preferences },
    };
  },
});
