import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ElasticsearchProjection } from '../../core/define-projection.ts';
import type { JsonObject } from '../../core/json.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { eagerClock } from '../../test/support/eager-clock.ts';
import { ModelDocumentStore } from '../../test/support/model-stores.ts';
import type { UserHistory } from '../../test/support/user-history.ts';
import { CommittedHistory, deliveriesOf, deliveryChoices, userHistories } from '../../test/support/user-history.ts';
import { characterOwnership } from '../character-ownership/character-ownership.ts';
import { scanHistory } from '../scan-history/scan-history.ts';
import { createHandle } from './elasticsearch-projector.ts';

describe('an Elasticsearch read model', () => {
  it.each([scanHistory, characterOwnership])(
    '$name equals the plain fold of the history, to the byte, however its topics deliver it, and no version goes back',
    async (projection) => {
      await fc.assert(
        fc.asyncProperty(userHistories('user-1'), deliveryChoices, fc.boolean(), async (history, choices, twoProcesses) => {
          await project(projection, history, choices, twoProcesses);
        }),
        { numRuns: 2000 },
      );
    },
  );

  it('is written by two processes at once in these runs, and they do meet', async () => {
    let conflicts = 0;
    await fc.assert(
      fc.asyncProperty(userHistories('user-1'), deliveryChoices, async (history, choices) => {
        conflicts += (await project(scanHistory, history, choices, true)).conflicts;
      }),
      { numRuns: 100 },
    );
    expect(conflicts).toBeGreaterThan(0);
  });
});

async function project(projection: ElasticsearchProjection, history: UserHistory, choices: readonly number[], twoProcesses: boolean) {
  const documents = new ModelDocumentStore();
  const store = new CommittedHistory(history.events);
  const options = { projection, history: store, metrics: NO_METRICS, clock: eagerClock, batch: { lingerMs: 0 } };
  const handles = [createHandle(documents, options), createHandle(documents, options)] as const;
  let before = versionsOf(documents);

  for (const delivery of deliveriesOf(history, new Set(projection.reads.map((event) => event.type)), choices)) {
    store.committed = delivery.committed;
    const results = await Promise.all(delivery.events.map((event, index) => handles[twoProcesses && index % 2 === 1 ? 1 : 0](event)));
    expect(results.filter(({ kind }) => kind === 'failed')).toEqual([]);
    const now = versionsOf(documents);
    for (const [source, version] of before) expect(now.get(source)).toBeGreaterThanOrEqual(version);
    before = now;
  }

  const actual = [...documents.documents].map(([id, { document }]) => [id, JSON.stringify(document)] as const);
  const expected = [...inCommitOrder(projection, history)].map(([id, document]) => [id, JSON.stringify(document)] as const);
  expect(new Map(actual)).toEqual(new Map(expected));
  return documents;
}

/** The oracle: every event once, in the order of the commits, without any guard. */
function inCommitOrder(projection: ElasticsearchProjection, history: UserHistory): Map<string, JsonObject> {
  const documents = new Map<string, JsonObject>();
  const wanted = new Set(projection.reads.map((event) => event.type));
  for (const event of history.events.filter(({ type }) => wanted.has(type))) {
    for (const id of projection.documentIds(event)) documents.set(id, projection.fold(documents.get(id), event, id));
  }
  return documents;
}

function versionsOf(documents: ModelDocumentStore): Map<string, bigint> {
  return new Map(
    [...documents.documents].flatMap(([id, { versions }]) =>
      Object.entries(versions).map(([source, version]) => [`${id} ${source}`, BigInt(version)] as const),
    ),
  );
}
