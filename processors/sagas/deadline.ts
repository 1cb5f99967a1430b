/**
 * Longer than the whole ladder of retries (some seven minutes with its jitter) and the calls between its rungs: what is still
 * tried again is not overdue.
 */
export const SAGA_DEADLINE_MS = 15 * 60_000;

/** What a flow that was ended for want of a step gives as its reason. */
export const OVERDUE = 'overdue';
