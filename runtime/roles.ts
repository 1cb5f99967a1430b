import type { PipelineDefinition } from '../core/define-pipeline.ts';

/**
 * What a process does. A role without a part does all of its kind: `relay` is every domain's relay, `relay:image` the
 * one of the image domain.
 */
export interface Roles {
  readonly api: boolean;
  /** Domain names. */
  readonly relays: readonly string[];
  /** Domain names. */
  readonly processors: readonly string[];
  /** Projection names. */
  readonly projectors: readonly string[];
  /** The sweep over the flows of all sagas. */
  readonly flows: boolean;
}

/** @throws RangeError listing every word that is not a role, and what would be. */
export function parseRoles(words: readonly string[], pipeline: PipelineDefinition): Roles {
  const parts = {
    relay: pipeline.domains.filter((domain) => domain.captured).map((domain) => domain.name),
    processor: pipeline.domains.filter((domain) => (domain.processor?.reactions.length ?? 0) > 0).map((domain) => domain.name),
    projector: pipeline.projections.map((projection) => projection.name),
  };
  const chosen = { api: false, flows: false, relay: new Set<string>(), processor: new Set<string>(), projector: new Set<string>() };
  const unknown: string[] = [];
  for (const word of words) {
    const [kind = '', part] = word.split(':', 2);
    if (word === 'all' || word === 'api') chosen.api = true;
    if (word === 'all' || word === 'flows') chosen.flows = true;
    for (const known of ['relay', 'processor', 'projector'] as const) {
      if (word === 'all' || word === known) for (const name of parts[known]) chosen[known].add(name);
      else if (kind === known && part !== undefined && parts[known].includes(part)) chosen[known].add(part);
    }
    const isRole =
      ['all', 'api', 'flows', 'relay', 'processor', 'projector'].includes(word) ||
      (kind in parts && chosen[kind as keyof typeof parts].has(part ?? ''));
    if (!isRole) unknown.push(word);
  }
  if (unknown.length > 0 || words.length === 0) throw new RangeError(unknownRoles(unknown, parts));
  return {
    api: chosen.api,
    relays: [...chosen.relay],
    processors: [...chosen.processor],
    projectors: [...chosen.projector],
    flows: chosen.flows,
  };
}

function unknownRoles(unknown: readonly string[], parts: Readonly<Record<string, readonly string[]>>): string {
  const all = Object.entries(parts).flatMap(([kind, names]) => [kind, ...names.map((name) => `${kind}:${name}`)]);
  const what = unknown.length === 0 ? 'no role is named' : `no such role: ${unknown.join(', ')}`;
  return `${what}\nRoles: all, api, flows, ${all.join(', ')}`;
}
