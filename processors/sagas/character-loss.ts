import { defineSaga, happened, madeUpFor } from '../../core/saga.ts';
import { characterLost, profileUpdated } from '../../schemas/catalogue.ts';
import { countLostCharacter } from '../my/count-lost-character.ts';
import { SAGA_DEADLINE_MS } from './deadline.ts';

/** From a character that is gone to the profile that no longer counts it. */
export const characterLoss = defineSaga({
  name: 'character-loss',
  begins: [characterLost],
  ends: { counted: [happened(profileUpdated)] },
  deadlineMs: SAGA_DEADLINE_MS,
  overdue: [madeUpFor(countLostCharacter)],
});
