/** Compatibility levels of a schema registry. `_TRANSITIVE`: against all versions, not only the latest. */
export type Compatibility = 'NONE' | 'BACKWARD' | 'BACKWARD_TRANSITIVE' | 'FORWARD' | 'FORWARD_TRANSITIVE' | 'FULL' | 'FULL_TRANSITIVE';

const PROMISES: Readonly<Record<Compatibility, readonly string[]>> = {
  NONE: [],
  BACKWARD: ['backward'],
  BACKWARD_TRANSITIVE: ['backward', 'transitive'],
  FORWARD: ['forward'],
  FORWARD_TRANSITIVE: ['forward', 'transitive'],
  FULL: ['backward', 'forward'],
  FULL_TRANSITIVE: ['backward', 'forward', 'transitive'],
};

/** The weakest level that promises what both promise: asking for BACKWARD where FORWARD holds gives FULL, never less than what holds. */
export function strictest(one: Compatibility, other: Compatibility): Compatibility {
  const wanted = new Set([...PROMISES[one], ...PROMISES[other]]);
  const levels = Object.entries(PROMISES) as [Compatibility, readonly string[]][];
  const found = levels.find(([, promises]) => promises.length === wanted.size && promises.every((promise) => wanted.has(promise)));
  return found?.[0] ?? 'FULL_TRANSITIVE';
}

/** What the registry calls its level; a name that we do not know promises nothing. */
export function compatibilityNamed(name: unknown): Compatibility {
  return typeof name === 'string' && Object.hasOwn(PROMISES, name) ? (name as Compatibility) : 'NONE';
}
