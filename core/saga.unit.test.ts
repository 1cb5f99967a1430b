import { describe, expect, it } from 'vitest';
import { definePipeline } from './define-pipeline.ts';
import { defineSaga, happened, inPlaceOf, madeUpFor, reactedTo } from './saga.ts';
import { characterAcquired, imageRegistered, scanCompleted, scanFailed } from '../schemas/catalogue.ts';
import { userCharactersAggregate } from '../processors/character/aggregate.ts';
import { character } from '../processors/character/character.ts';
import { grantScanReward } from '../processors/character/grant-scan-reward.ts';
import { image } from '../processors/image/image.ts';
import { scan } from '../processors/scan/scan.ts';
import { classifyRegisteredImage } from '../processors/scan/classify-registered-image.ts';

const ends = { failed: [happened(scanFailed)] };
const saga = { name: 'a-scan', begins: [imageRegistered], ends, deadlineMs: 1_000 };
const refusal = { kind: 'rejected', reason: 'overdue' } as const;

describe('a saga', () => {
  it('is data: what begins it, how it ends, and who decides in place of whom', () => {
    const overdue = [madeUpFor(classifyRegisteredImage, refusal)];
    expect(defineSaga({ ...saga, overdue })).toMatchObject({
      begins: ['ImageRegistered'],
      ends: [{ name: 'failed', all: [{ kind: 'event', type: 'ScanFailed' }] }],
      deadlineMs: 1_000,
      overdue: [{ reaction: classifyRegisteredImage, action: 'finish' }],
    });
  });

  it.each([
    ['no name', { name: '' }],
    ['a name that is no label', { name: 'A scan' }],
    ['no beginning', { begins: [] }],
    ['no end', { ends: {} }],
    ['an end without evidence', { ends: { ended: [] } }],
    ['no deadline', { deadlineMs: 0 }],
    ['two decisions in place of one step', { overdue: [1, 2].map(() => madeUpFor(classifyRegisteredImage, refusal)) }],
  ])('is refused with %s', (_, wrong) => {
    expect(() => defineSaga({ ...saga, ...wrong })).toThrow(RangeError);
  });

  it('decides in place of a reaction over the same event and aggregate, or not at all', () => {
    const decide = () => ({ events: [] });
    const step = { aggregate: userCharactersAggregate, action: 'compensate', decide } as const;
    expect(inPlaceOf(grantScanReward, { on: scanCompleted, ...step }).reaction).toBe(grantScanReward);
    expect(() => inPlaceOf(grantScanReward, { on: characterAcquired, ...step })).toThrow(/names another event or aggregate/);
    expect(() => inPlaceOf(classifyRegisteredImage, { on: imageRegistered, ...step })).toThrow(/names another event or aggregate/);
  });

  it('makes up for a step with a result in place of its call, and only then', () => {
    expect(() => madeUpFor(classifyRegisteredImage)).toThrow(/exactly when it declares a call/);
    expect(() => madeUpFor(grantScanReward, refusal)).toThrow(/exactly when it declares a call/);
  });

  it('is refused by a pipeline that lacks an event or a reaction which it names, or has its name twice', () => {
    const within = (domains: (typeof scan)[], ...sagas: ReturnType<typeof defineSaga>[]) =>
      definePipeline({ domains, projections: [], sagas });
    const defined = defineSaga({ ...saga, overdue: [madeUpFor(grantScanReward)] });
    const all = [image, scan, character];
    expect(within(all, defined).sagas).toEqual([defined]);
    expect(() => within(all, defined, defined)).toThrow(/declared twice/);
    expect(() => within([image, character], defineSaga(saga))).toThrow(/CharacterAcquireFailed|ScanFailed|ScanCompleted/);
    expect(() => within([image, scan], defined)).toThrow(/no processor has|no domain declares/);
    const stepless = defineSaga({ ...saga, ends: { seen: [reactedTo('image', scanFailed)] } });
    expect(() => within(all, stepless)).toThrow(/there is no such reaction/);
  });
});
