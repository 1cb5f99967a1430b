import { describe, expect, it } from 'vitest';
import type { ConsumerEvents } from '../../core/broker.ts';
import { offset } from '../../core/offset.ts';
import { settle } from '../../test/support/manual-clock.ts';
import { ScriptedConsumer } from '../../test/support/scripted-consumer.ts';
import { RenewableConsumer } from './renewable-consumer.ts';

const EVENTS: ConsumerEvents = {
  onRecords: () => undefined,
  onAssigned: () => undefined,
  onRevoking: async () => undefined,
  onLost: () => undefined,
  onFatal: () => undefined,
};

function renewable(setUp: (next: ScriptedConsumer, number: number) => void = () => undefined) {
  const made: ScriptedConsumer[] = [];
  const consumer = new RenewableConsumer(() => {
    const next = new ScriptedConsumer();
    setUp(next, made.push(next));
    return next;
  });
  return { consumer, made };
}

describe('a consumer that is made anew', () => {
  it('is another one for whoever holds it', async () => {
    const { consumer, made } = renewable();
    await consumer.start(EVENTS);
    await consumer.renew();
    consumer.pause([{ topic: 't', partition: 0 }]);
    expect(made.map(({ stopped, paused }) => [stopped, paused.size])).toEqual([
      [true, 0],
      [false, 1],
    ]);
  });

  it('gives up the commits that the old one has not answered, and only those', async () => {
    const { consumer, made } = renewable();
    await consumer.start(EVENTS);
    made[0]!.onCommit = async () => new Promise(() => undefined);
    const hanging = consumer.commit([{ topic: 't', partition: 0, offset: offset(3n) }]);
    await consumer.renew();
    expect(await hanging).toBe(false);
    expect(await consumer.commit([{ topic: 't', partition: 0, offset: offset(3n) }])).toBe(true);
  });

  it('is none when it is stopped while the old one ends', async () => {
    const { consumer, made } = renewable();
    await consumer.start(EVENTS);
    let end = (): void => undefined;
    const ending = new Promise<void>((resolve) => (end = resolve));
    made[0]!.stop = async () => ending;
    const renewing = consumer.renew();
    const stopping = consumer.stop();
    await settle();
    end();
    await Promise.all([renewing, stopping]);
    expect(made).toHaveLength(1);
  });

  it('stops the new one when it is stopped while that joins', async () => {
    const { consumer, made } = renewable((next, number) => {
      if (number === 1) return;
      next.onStart = async () =>
        new Promise((joined) => {
          next.stop = async () => {
            next.stopped = true;
            joined();
          };
        });
    });
    await consumer.start(EVENTS);
    const renewing = consumer.renew();
    await settle();
    await Promise.all([consumer.stop(), renewing]);
    expect(made.map(({ stopped }) => stopped)).toEqual([true, true]);
  });
});
