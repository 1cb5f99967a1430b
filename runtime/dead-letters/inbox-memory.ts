import type { Connections } from '../connections.ts';
import { readInboxHorizon } from '../postgres/inbox-horizon.ts';
import type { InboxMemory } from './select-letters.ts';

/** What the inboxes of processors remember, each asked once. Rejects with POSTGRES_UNAVAILABLE when one cannot be. */
export function inboxMemory(connections: Pick<Connections, 'database'>): InboxMemory {
  const asked = new Map<string, Promise<number>>();
  return (domain) => {
    const known = asked.get(domain) ?? readInboxHorizon(connections.database(domain), domain);
    asked.set(domain, known);
    return known;
  };
}
