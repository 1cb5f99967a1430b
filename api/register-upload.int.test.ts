import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../core/log.ts';
import { startTrace } from '../core/trace.ts';
import { image } from '../processors/image/image.ts';
import { scanIdOf } from '../processors/scan/scan-id.ts';
import type { Connections } from '../runtime/connections.ts';
import type { Database } from '../runtime/postgres/database.ts';
import { createDatabase } from '../runtime/postgres/database.ts';
import { migrateDomain } from '../runtime/postgres/migrate.ts';
import { createUnitOfWork } from '../runtime/postgres/unit-of-work.ts';
import { CATALOGUE } from '../schemas/catalogue.ts';
import { createPayloadValidator } from '../schemas/validator.ts';
import { temporaryDatabases } from '../test/support/temporary-databases.ts';
import { composeCommands } from './compose-commands.ts';
import type { Commands } from './ports.ts';

const databases = temporaryDatabases('uploads');
const trace = () => startTrace({}, (length) => randomBytes(length));
let database: Database;
let commands: Commands;

beforeAll(async () => {
  const url = databases.url('image');
  await migrateDomain({ databaseUrl: url, domain: 'image', logger: SILENT_LOGGER });
  database = createDatabase({ url, domain: 'image', poolMax: 8, logger: SILENT_LOGGER });
  const store = { database, domain: image, catalogue: CATALOGUE, validator: createPayloadValidator(), logger: SILENT_LOGGER };
  const unitOfWork = createUnitOfWork(store);
  // The commands of the other domains are not used.
  commands = composeCommands({ unitOfWork: () => unitOfWork } as unknown as Connections);
});
afterAll(async () => {
  await database.stop();
  await databases.dropAll();
});

function upload(over: { readonly idempotencyKey?: string; readonly expired?: boolean; readonly imageId?: string } = {}) {
  const imageId = over.imageId ?? randomUUID();
  return {
    ...{ imageId, cdnUrl: `https://cdn.example/uploads/${imageId}.jpg`, expired: over.expired ?? false },
    ...{ userId: 'u1', requestHash: 'the same', idempotencyKey: over.idempotencyKey },
  };
}
const registered = async (imageId: string) =>
  database.query<{ type: string }>('SELECT event_type AS type FROM image.events WHERE aggregate_id = $1', [imageId]);

describe('an upload', () => {
  it('becomes the image that it was granted for, once, however many register it at the same time', async () => {
    const one = upload();
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => commands.registerUpload(one, trace())));
    const accepted = outcomes.filter(({ kind }) => kind === 'accepted');
    expect(accepted).toMatchObject([{ answer: { image_id: one.imageId, scan_id: scanIdOf(one.imageId) } }]);
    const others = outcomes.filter(({ kind }) => kind !== 'accepted');
    expect(others).toHaveLength(7);
    for (const other of others) expect(other).toMatchObject({ kind: 'rejected', reason: 'upload_already_registered' });
    expect(await registered(one.imageId)).toEqual([{ type: 'ImageRegistered' }]);
  });

  it('is answered again as the first time to who repeats the request, also when its time is over meanwhile', async () => {
    const one = upload({ idempotencyKey: randomUUID() });
    const first = await commands.registerUpload(one, trace());
    const again = await commands.registerUpload({ ...one, expired: true }, trace());
    expect([first.kind, again.kind]).toEqual(['accepted', 'repeated']);
    expect('answer' in first && 'answer' in again && first.answer).toEqual('answer' in again && again.answer);
  });

  it('that has expired leaves nothing behind, and its key stays free', async () => {
    const one = upload({ expired: true, idempotencyKey: randomUUID() });
    expect(await commands.registerUpload(one, trace())).toMatchObject({ kind: 'rejected', reason: 'upload_expired' });
    expect(await registered(one.imageId)).toEqual([]);
    expect(await database.query('SELECT 1 FROM image.processed_events WHERE idempotency_key LIKE $1', [`%${one.idempotencyKey!}`])).toEqual(
      [],
    );
  });
});
