import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { eventually } from '../../test/support/eventually.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import type { CaptureOwner } from './capture-owner.ts';
import type { Finding, GapCode } from './source-findings.ts';
import { createSourceWatch } from './source-watch.ts';

describe('a source that another capture reads', () => {
  it('keeps its outbox until a look has found nothing, and again when slot, database or topics are others', async () => {
    let answer: () => GapCode | undefined = () => undefined;
    let looks = 0;
    const sight = async (): Promise<Finding | undefined> => {
      looks += 1;
      const code = answer();
      return code === undefined ? undefined : { code, message: 'it differs' };
    };
    let owner: CaptureOwner = 'debezium';
    const watch = createSourceWatch({
      ...{ domain: 'image', identity: { sight }, readOwner: async () => owner },
      ...{ logger: SILENT_LOGGER, clock: systemClock, intervalMs: 1 },
    });
    expect(watch.keptBecause()).toBe('the source was not looked at yet');
    await watch.start(new AbortController().signal);
    await eventually(() => watch.keptBecause() === undefined);
    expect(watch.health()).toEqual([{ name: 'source.image', status: 'ok' }]);

    answer = () => 'PUBLICATION_YOUNGER';
    await eventually(() => watch.keptBecause()?.startsWith('PUBLICATION_YOUNGER: it differs') === true);
    expect(watch.health()[0]?.status).toBe('degraded');
    answer = () => {
      throw new ClassifiedError('KAFKA_UNAVAILABLE', 'away');
    };
    await eventually(() => watch.keptBecause()?.startsWith('KAFKA_UNAVAILABLE') === true);
    owner = 'relay';
    await eventually(() => watch.keptBecause()?.includes('set CAPTURE_IMAGE=relay') === true);

    await watch.stop(new AbortController().signal);
    const seen = looks;
    await watch.stop(AbortSignal.abort());
    expect(looks).toBe(seen);
  });

  it('is not looked at, and says nothing, while the slot is the relay’s and a relay is here', async () => {
    let owner: CaptureOwner = 'relay';
    let looks = 0;
    const sight = async (): Promise<Finding | undefined> => {
      looks += 1;
      return { code: 'SLOT_RECREATED', message: 'it differs' };
    };
    const watch = createSourceWatch({
      ...{ domain: 'image', identity: { sight }, readOwner: async () => owner, besideRelay: true },
      ...{ logger: SILENT_LOGGER, clock: systemClock, intervalMs: 1 },
    });
    await watch.start(new AbortController().signal);
    await eventually(() => watch.keptBecause() === undefined);
    expect([watch.health(), looks]).toEqual([[], 0]);
    owner = 'debezium';
    await eventually(() => watch.health()[0]?.detail?.startsWith('SLOT_RECREATED: it differs') === true);
    owner = 'relay';
    await eventually(() => watch.health().length === 0);
    await watch.stop(new AbortController().signal);
  });
});
