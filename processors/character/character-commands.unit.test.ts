import { describe, it } from 'vitest';
import { characterAcquired, characterEvolved, characterLost } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { userCharactersAggregate } from './aggregate.ts';
import type { CatalogueCharacter } from './catalogue.ts';
import { characterOfCategory, evolutionOf } from './catalogue.ts';
import { evolveCharacter } from './evolve-character.ts';
import { loseCharacter } from './lose-character.ts';

const paper = characterOfCategory('paper')!;
const next = evolutionOf(paper.id)!;
const acquired = ({ id, name }: CatalogueCharacter) =>
  newEvent(characterAcquired, { user_id: 'u1', character_id: id, character_name: name, source: 'scan', source_id: 's1' });
const evolved = newEvent(characterEvolved, {
  user_id: 'u1',
  from_character_id: paper.id,
  to_character_id: next.id,
  evolution_level: 1,
  character_name: next.name,
});
const row = (of: CatalogueCharacter, change: object) => ({
  user_id: 'u1',
  character_id: of.id,
  character_name: of.name,
  source: 'scan',
  source_id: 's1',
  acquired_at: OCCURRED_AT,
  released_at: null,
  status: 'owned',
  ...change,
});

describe('EvolveCharacter', () => {
  const command = { user_id: 'u1', character_id: paper.id };

  it('turns an owned character into its next form, and says which', () => {
    given(userCharactersAggregate, 'u1', [acquired(paper)])
      .when(evolveCharacter, command)
      .then({
        events: [evolved],
        tables: {
          character_ownerships: [
            row(paper, { released_at: OCCURRED_AT, status: 'lost' }),
            row(next, { source: 'event', source_id: paper.id }),
          ],
        },
        result: { character_id: next.id, character_name: next.name, evolution_level: 1 },
      });
  });

  it('is refused for a character that the user does not own, or no longer', () => {
    given(userCharactersAggregate, 'u1').when(evolveCharacter, command).then({ rejected: 'character_not_found' });
    given(userCharactersAggregate, 'u1', [acquired(paper), evolved])
      .when(evolveCharacter, command)
      .then({ rejected: 'character_not_found' });
  });

  it('is refused for a last form', () => {
    given(userCharactersAggregate, 'u1', [acquired(paper), evolved])
      .when(evolveCharacter, { user_id: 'u1', character_id: next.id })
      .then({ rejected: 'character_fully_evolved' });
  });

  it('is refused when the next form is owned already', () => {
    given(userCharactersAggregate, 'u1', [acquired(paper), evolved, acquired(paper)])
      .when(evolveCharacter, command)
      .then({ rejected: 'already_owned' });
  });
});

describe('LoseCharacter', () => {
  const command = { user_id: 'u1', character_id: paper.id, reason: 'traded' } as const;

  it('takes an owned character away', () => {
    given(userCharactersAggregate, 'u1', [acquired(paper)])
      .when(loseCharacter, command)
      .then({
        events: [newEvent(characterLost, command)],
        tables: { character_ownerships: [row(paper, { released_at: OCCURRED_AT, status: 'lost' })] },
      });
  });

  it('is refused for a character that the user does not own, or no longer', () => {
    given(userCharactersAggregate, 'u1').when(loseCharacter, command).then({ rejected: 'character_not_found' });
    given(userCharactersAggregate, 'u1', [acquired(paper), newEvent(characterLost, command)])
      .when(loseCharacter, command)
      .then({ rejected: 'character_not_found' });
  });
});
