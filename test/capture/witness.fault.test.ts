import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';

describe('the witness between relay, PostgreSQL and Kafka', () => {
  let capture: CaptureUnderFault;

  beforeEach(async () => {
    capture = await CaptureUnderFault.open('witness', services());
  });
  afterEach(async () => {
    await capture.close();
  });

  it('sees each row, each acknowledgement and each position, and finds nothing wrong with an honest relay', async () => {
    const workload = capture.workload();
    const relay = await capture.startedRelay();
    await workload.writeSome(60);
    const verdict = await capture.verify('none', await capture.recovery());
    await relay.stop();
    expect(verdict).toMatchObject({ rows: workload.committed.size, duplicates: 0 });
    expect(capture.witness.acknowledgedIds).toEqual(workload.committed);
    // What the server has on record is what was seen on its way.
    expect(await capture.confirmedLsn()).toBe(capture.witness.highestToldLsn);
  });

  it('catches a relay that believes a producer which says too early that all is durable', async () => {
    await capture.startedRelay({ lyingProducer: true });
    capture.kafka.holdAnswers();
    await capture.workload().writeSome(10);
    await eventually(() => capture.witness.breaches.length > 0);
    expect(capture.witness.breaches[0]).toContain('before Kafka acknowledged it');
    capture.kafka.releaseAnswers();
    // The rows do arrive: that the rule was broken is seen nowhere but on the wire.
    await expect(capture.verify('a lying producer', await capture.recovery())).rejects.toThrow(/^1 breaches:\n {2}I7: row/);
  });
});
