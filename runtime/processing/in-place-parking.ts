import type { Parking } from './parking.ts';

/**
 * Parking without a store: a record waits where it is, in memory, as the head of its lane. Nothing is lost with the
 * process, because its offset is not committed; but it begins its ladder anew after a restart, and its partition keeps
 * what came behind it in hand until its share of the group's limits is used up.
 */
export const IN_PLACE_PARKING: Parking = {
  heldFor: () => undefined,
  park: async () => ({ kind: 'in-place' }),
};
