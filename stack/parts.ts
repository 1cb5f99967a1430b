import { StackError } from './stack-error.ts';

/** The servers of the local stack, in the order in which people list them. */
export const PARTS = ['postgres', 'kafka', 'registry', 'redis', 'elasticsearch', 'debezium'] as const;

export type Part = (typeof PARTS)[number];

/** What starts when nobody says otherwise; `debezium` is the alternative capture and starts on request. */
export const CORE_PARTS: readonly Part[] = ['postgres', 'kafka', 'registry', 'redis', 'elasticsearch'];

/** Reads `postgres,kafka`; `core` and `all` are short for lists. Throws a StackError that names an unknown part. */
export function parseParts(list: string): readonly Part[] {
  const wanted = new Set<Part>();
  for (const name of list.split(',').map((word) => word.trim())) {
    for (const part of partsNamed(name)) wanted.add(part);
  }
  return PARTS.filter((part) => wanted.has(part));
}

function partsNamed(name: string): readonly Part[] {
  if (name === 'core') return CORE_PARTS;
  if (name === 'all') return PARTS;
  const part = PARTS.find((known) => known === name);
  if (part === undefined) throw new StackError(`'${name}' is not a part of the stack`, `Choose from ${PARTS.join(', ')}, core or all.`);
  return [part];
}
