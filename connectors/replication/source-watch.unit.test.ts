import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { eventually } from '../../test/support/eventually.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import type { CaptureOwner } from './capture-owner.ts';
import type { GapCode } from './source-findings.ts';
import type { Assessment } from './source-identity.ts';
import { createSourceWatch } from './source-watch.ts';

describe('a source that another capture reads', () => {
  it('keeps its outbox until a look has found nothing, and again when slot, database or topics are others', async () => {
    let answer: () => GapCode[] = () => ['SLOT_AHEAD'];
    let looks = 0;
    const assess = async (): Promise<Assessment> => {
      looks += 1;
      return { findings: answer().map((code) => ({ code, message: 'it differs' })) } as unknown as Assessment;
    };
    let owner: CaptureOwner = 'debezium';
    const watch = createSourceWatch({
      ...{ domain: 'image', identity: { assess }, readOwner: async () => owner },
      ...{ logger: SILENT_LOGGER, clock: systemClock, intervalMs: 1 },
    });
    expect(watch.keptBecause()).toBe('the source was not looked at yet');
    await watch.start(new AbortController().signal);
    await eventually(() => watch.keptBecause() === undefined);
    expect(watch.health()).toEqual([{ name: 'source.image', status: 'ok' }]);

    answer = () => ['SLOT_AHEAD', 'PUBLICATION_YOUNGER'];
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
});
