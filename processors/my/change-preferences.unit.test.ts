import { describe, it } from 'vitest';
import { preferencesChanged, profileUpdated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { profileAggregate } from './aggregate.ts';
import { MAX_PREFERENCES, changePreferences } from './change-preferences.ts';

const changed = (changes: Record<string, string | null>) => newEvent(preferencesChanged, { user_id: 'u1', changes });
const korean = changed({ language: 'ko', theme: 'dark' });

describe('ChangePreferences', () => {
  it('keeps what is new and what was there, and answers with all of it', () => {
    const preferences = { language: 'ko', push: 'off', theme: 'light' };
    given(profileAggregate, 'u1', [korean])
      .when(changePreferences, { user_id: 'u1', changes: { theme: 'light', push: 'off' } })
      .then({
        events: [changed({ theme: 'light', push: 'off' })],
        tables: { preferences: [{ user_id: 'u1', updated_at: OCCURRED_AT, preferences }] },
        result: { preferences },
      });
  });

  it('takes away what is null', () => {
    given(profileAggregate, 'u1', [korean])
      .when(changePreferences, { user_id: 'u1', changes: { theme: null } })
      .then({ events: [changed({ theme: null })], result: { preferences: { language: 'ko' } } });
  });

  it('says nothing of what does not differ', () => {
    given(profileAggregate, 'u1', [korean])
      .when(changePreferences, { user_id: 'u1', changes: { theme: 'dark', push: null, toString: null } })
      .then({ result: { preferences: { language: 'ko', theme: 'dark' } } });
    given(profileAggregate, 'u1', [korean])
      .when(changePreferences, { user_id: 'u1', changes: { theme: 'dark', language: 'en' } })
      .then({ events: [changed({ language: 'en' })] });
  });

  it('is not confused by the statistics of the profile', () => {
    const past = [korean, newEvent(profileUpdated, { user_id: 'u1', total_characters: 3 })];
    given(profileAggregate, 'u1', past)
      .when(changePreferences, { user_id: 'u1', changes: { theme: null } })
      .then({ events: [changed({ theme: null })], result: { preferences: { language: 'ko' } } });
  });

  it('fills a profile up to its limit and not beyond', () => {
    const names = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, 'x']));
    given(profileAggregate, 'u1')
      .when(changePreferences, { user_id: 'u1', changes: names(MAX_PREFERENCES) })
      .then({ events: [changed(names(MAX_PREFERENCES))] });
    given(profileAggregate, 'u1', [changed(names(MAX_PREFERENCES))])
      .when(changePreferences, { user_id: 'u1', changes: { more: 'x' } })
      .then({ rejected: 'too_many_preferences' });
    given(profileAggregate, 'u1', [changed(names(MAX_PREFERENCES))])
      .when(changePreferences, { user_id: 'u1', changes: { more: 'x', p0: null } })
      .then({ events: [changed({ more: 'x', p0: null })] });
  });
});
