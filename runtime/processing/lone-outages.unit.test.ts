import { describe, expect, it } from 'vitest';
import { LoneOutages } from './lone-outages.ts';

const NEVER = Number.NEGATIVE_INFINITY;

describe('outages that one record meets alone', () => {
  it('are its own after the second time that others were answered in between, if others were answered again', () => {
    const met = new LoneOutages();
    met.note('p', NEVER, true, 10);
    expect([met.hasBeenAlone('p'), met.isDueToRecord('p', 11)]).toEqual([false, false]);
    met.note('p', 11, true, 20);
    expect([met.hasBeenAlone('p'), met.isDueToRecord('p', 21)]).toEqual([true, false]);
    met.note('p', 21, true, 30);
    expect([met.isDueToRecord('p', 21), met.isDueToRecord('p', 31)]).toEqual([false, true]);
  });

  it('are not those that others met too, however often', () => {
    const met = new LoneOutages();
    for (let time = 0; time < 100; time += 1) met.note('p', 5, true, 10 + time);
    for (let time = 0; time < 100; time += 1) met.note('p', 200 + 2 * time, false, 201 + 2 * time);
    expect([met.hasBeenAlone('p'), met.isDueToRecord('p', 1_000)]).toEqual([false, false]);
  });

  it('are forgotten when it is answered, and when many others met one since', () => {
    const met = new LoneOutages();
    for (const id of ['p', 'q']) {
      met.note(id, NEVER, true, 0);
      met.note(id, 1, true, 2);
    }
    met.forget({ id: 'p' });
    expect([met.hasBeenAlone('p'), met.hasBeenAlone('q')]).toEqual([false, true]);
    for (let other = 0; other < 10_000; other += 1) met.note(`o${other}`, NEVER, true, 3);
    expect(met.hasBeenAlone('q')).toBe(false);
  });
});
