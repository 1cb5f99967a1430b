import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RedisProjection } from '../../core/define-projection.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import { eagerClock } from '../../test/support/eager-clock.ts';
import { ModelRedisDocuments } from '../../test/support/model-stores.ts';
import type { UserHistory } from '../../test/support/user-history.ts';
import { CommittedHistory, deliveriesOf, deliveryChoices, userHistories } from '../../test/support/user-history.ts';
import { characterList } from '../character-list/character-list.ts';
import { weeklyRanking } from '../weekly-ranking/weekly-ranking.ts';
import { createProjectorOver } from './redis-projector.ts';

describe('a Redis read model', () => {
  it('equals the plain fold of the history however its topics deliver it, and no version goes back', async () => {
    await fc.assert(
      fc.asyncProperty(userHistories('user-1'), deliveryChoices, fc.boolean(), async (history, choices, twoProcesses) => {
        for (const projection of [characterList, weeklyRanking()]) await project(projection, history, choices, twoProcesses);
      }),
      { numRuns: 2000 },
    );
  });
});

async function project(projection: RedisProjection, history: UserHistory, choices: readonly number[], twoProcesses: boolean) {
  const documents = new ModelRedisDocuments();
  const store = new CommittedHistory(history.events);
  const options = { projection, names: new Names(), history: store, metrics: NO_METRICS, logger: SILENT_LOGGER, clock: eagerClock };
  const projectors = [createProjectorOver(documents, options), createProjectorOver(documents, options)] as const;
  let before = versionsOf(documents);
  let disturbed = false;

  for (const delivery of deliveriesOf(history, new Set(projection.reads.map((event) => event.type)), choices)) {
    store.committed = delivery.committed;
    const results = await Promise.all(
      delivery.events.map((event, index) => projectors[twoProcesses && index % 2 === 1 ? 1 : 0].handle(event)),
    );
    expect(results.filter(({ kind }) => kind === 'failed')).toEqual([]);
    const now = versionsOf(documents);
    for (const [field, version] of before) expect(now.get(field)).toBeGreaterThanOrEqual(version);
    before = now;
    if (delivery.disturb) {
      disturbed = true;
      documents.documents.clear();
      before = new Map();
    }
  }

  const expected = inCommitOrder(projection, history);
  if (!disturbed) expect([...documents.documents.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [key, document] of documents.documents) {
    expect(document.exists).toBe(true);
    const actual: ReadonlyMap<string, unknown> =
      (projection.structure === 'hash' ? documents.hash(key) : documents.scores(key)) ?? new Map();
    expect(actual).toEqual(expected.get(key) ?? new Map());
  }
}

/** The oracle: every event once, in the order of the commits, without any guard. */
function inCommitOrder(projection: RedisProjection, history: UserHistory): Map<string, Map<string, unknown>> {
  const documents = new Map<string, Map<string, unknown>>();
  const wanted = new Set(projection.reads.map((event) => event.type));
  for (const mutation of history.events.filter((event) => wanted.has(event.type)).flatMap((event) => projection.mutations(event))) {
    const document = documents.get(mutation.key) ?? new Map<string, unknown>();
    documents.set(mutation.key, document);
    if (mutation.op === 'put') document.set(mutation.field, JSON.stringify(mutation.value));
    else if (mutation.op === 'drop') document.delete(mutation.field);
    else if (mutation.op === 'count') document.set(mutation.member, Number(document.get(mutation.member) ?? 0) + mutation.by);
  }
  return documents;
}

function versionsOf(documents: ModelRedisDocuments): Map<string, bigint> {
  return new Map(
    [...documents.documents.keys()].flatMap((key) =>
      [...documents.versions(key)].map(([field, version]) => [`${key} ${field}`, version] as const),
    ),
  );
}
