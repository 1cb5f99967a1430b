import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogFields } from '../../core/log.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { startTrace } from '../../core/trace.ts';
import { registerImage } from '../../processors/image/register-image.ts';
import { scanIdOf } from '../../processors/scan/scan-id.ts';
import { bundledProgram } from '../../test/support/bundled-program.ts';
import { ChildProgram } from '../../test/support/child-program.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { SweepNews, SweepTask } from '../../test/support/flow-sweep-program.ts';
import type { LivingChoreography } from '../../test/support/living-choreography.ts';
import { livingChoreography } from '../../test/support/living-choreography.ts';
import { pipeline, saga } from '../../test/support/overdue-at-once.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import { flowSources } from '../compose-flows.ts';
import { deadLettersOf } from '../dead-letters/open-dead-letters.ts';
import { createParkedRecords } from '../postgres/parked-records.ts';
import { createConsumerGroup } from '../processing/consumer-group.ts';
import { createPayloads } from '../payloads.ts';
import { executeCommand } from '../postgres/command-handler.ts';
import type { FlowRow } from '../postgres/flow-table.ts';
import { readFlowRows } from '../postgres/flow-table.ts';
import type { FlowSweepOptions } from './flow-sweep.ts';
import { FlowSweep } from './flow-sweep.ts';
import type { SettleStep } from './settle-step.ts';
import { createSettleStep } from './settle-step.ts';
import { traceFlows } from './trace-flows.ts';
import { unseenFlows } from './unseen-flows.ts';

const WITHIN = { timeoutMs: 60_000, everyMs: 250 };
const NEVER = new AbortController().signal;

describe('the sweep of the flows, on real servers', { timeout: 180_000 }, () => {
  let world: LivingChoreography;
  let settle: SettleStep;

  beforeAll(async () => {
    world = await livingChoreography('flows', pipeline);
    settle = createSettleStep({
      unitOfWork: (domain) => world.connections.unitOfWork(domain),
      random: (length) => randomBytes(length),
      clock: systemClock,
    });
    for (const domain of ['image', 'scan', 'my']) await world.processor(domain);
  }, 180_000);
  afterAll(() => world.stop(), 120_000);

  function sweepWith(changed: Partial<FlowSweepOptions> = {}): FlowSweep {
    const { connections } = world;
    return new FlowSweep({
      ...flowSources(pipeline, connections),
      platform: connections.platform(),
      settle,
      metrics: NO_METRICS,
      logger: SILENT_LOGGER,
      limits: { settledMs: 0 },
      ...changed,
    });
  }

  /** Begins a flow and answers its id. */
  async function register(user_id: string, category = 'pet-bottle'): Promise<{ readonly flowId: string; readonly scanId: string }> {
    const image_id = randomUUID();
    const command = { image_id, user_id, cdn_url: `https://cdn.example/classify-as/${category}/${image_id}.jpg` };
    const trace = startTrace({}, (length) => randomBytes(length));
    const answer = await executeCommand(world.connections.unitOfWork('image'), registerImage, command, { trace });
    if (answer.kind !== 'accepted') throw new Error(answer.kind);
    return { flowId: answer.events[0]!.id, scanId: scanIdOf(image_id) };
  }

  async function row(flowId: string): Promise<FlowRow | undefined> {
    return (await readFlowRows(world.connections.platform(), [flowId]))[0];
  }
  const due = () => world.connections.platform().execute(`UPDATE millrace.flows SET next_look_at = now() WHERE status <> 'ended'`);
  /** Sweeps until the flow's row is as expected. */
  async function swept(flowId: string, expected: Partial<FlowRow>, sweep = sweepWith()): Promise<FlowRow> {
    return eventually(async () => {
      await due();
      await sweep.pass(NEVER);
      const found = await row(flowId);
      expect(found).toMatchObject(expected);
      return found!;
    }, WITHIN);
  }
  const events = async (domain: string, type: string, flowId: string): Promise<number> => {
    const found = await world.connections
      .database(domain)
      .query(`SELECT 1 FROM ${domain}.events WHERE event_type = $1 AND metadata->>'correlation_id' = $2`, [type, flowId]);
    return found.length;
  };

  const giveUp = (...flowIds: readonly string[]): Promise<void> => fail([], flowIds);
  const park = (...flowIds: readonly string[]): Promise<void> => fail([3_600_000], flowIds);

  /** A group in the place of the character domain's that fails on every record, until it has handled these flows. */
  async function fail(delaysMs: readonly number[], flowIds: readonly string[]): Promise<void> {
    const { connections, config } = world;
    const group = config.names.processorGroup('character');
    const gone = new Set<string>();
    const broken = createConsumerGroup({
      group,
      service: 'test',
      topics: [config.names.eventTopic('scan.completed')],
      broker: connections.broker(),
      producer: connections.producer(),
      decoder: createPayloads(pipeline, connections).decoder,
      handler: async ({ correlationId }) => {
        if (correlationId !== undefined) gone.add(correlationId);
        return {
          kind: 'failed',
          error: new ClassifiedError(delaysMs.length === 0 ? 'DECISION_FAILED' : 'HANDLER_FAILED', 'broken on purpose'),
        };
      },
      wanted: new Set(['ScanCompleted']),
      known: new Set(['ScanCompleted']),
      deadLetterTopicOf: (topic) => config.names.deadLetterTopic(topic, group),
      parked: createParkedRecords({ database: connections.database('character'), group }),
      retryPolicy: { delaysMs, jitter: 0 },
      handlerTimeoutMs: 5_000,
      metrics: NO_METRICS,
      logger: SILENT_LOGGER,
      clock: systemClock,
      random: Math.random,
      onFatal: () => undefined,
    });
    await connections.producer().start();
    await broken.start(NEVER);
    await eventually(() => flowIds.every((id) => gone.has(id)), WITHIN);
    await broken.stop(AbortSignal.timeout(10_000));
  }

  it('says that a stopped processor is waited for, and leaves its flow alone', async () => {
    const { flowId } = await register('waits');
    const found = await swept(flowId, {
      status: 'overdue',
      waits_for: [
        expect.objectContaining({ group: world.config.names.processorGroup('character'), event_type: 'ScanCompleted', where: 'ahead' }),
      ],
    });
    expect(found).toMatchObject({ saga: 'scan-to-reward', began_domain: 'image', action: null });
    expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(0);

    const trace = await traceFlows(
      {
        ...flowSources(pipeline, world.connections),
        platform: world.connections.platform(),
        deadLetters: deadLettersOf(pipeline, world.connections),
        flowsMax: 5,
      },
      flowId,
      { topics: true },
    );
    expect(trace.gaps).toEqual([]);
    const types = trace.flows[0]?.flow.events.map(({ type }) => type);
    expect(types?.sort()).toEqual(['ImageProcessed', 'ImageRegistered', 'ScanCompleted']);
    expect([...(trace.flows[0]?.waiting.values() ?? [])].map(({ kind }) => kind)).toEqual(['ahead']);
    expect(trace.flows[0]?.topics.size).toBe(3);
  });

  it('compensates a flow whose event was dead-lettered, once, however many sweep at the same time', async () => {
    const flows = await Promise.all([1, 2, 3].map((index) => register(`dead-${index}`)));
    for (const { flowId } of flows) await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'ahead' })] });
    await giveUp(...flows.map(({ flowId }) => flowId));
    await eventually(async () => {
      await due();
      await Promise.all([1, 2, 3].map(() => sweepWith().pass(NEVER)));
      for (const { flowId } of flows) expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(1);
    }, WITHIN);
    for (const { flowId, scanId } of flows) {
      await swept(flowId, { status: 'ended', ended_as: 'compensated', action: 'compensate' });
      expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(1);
      const [record] = await world.connections
        .database('scan')
        .query('SELECT reward_status, failure_reason FROM scan.scan_records WHERE scan_id = $1', [scanId]);
      expect(record).toEqual({ reward_status: 'failed', failure_reason: 'overdue' });
    }
  });

  it('that is killed beside any use of its table, or a decision, leaves the rest to the next one, and decides once', async () => {
    const { flowId } = await register('killed-sweep');
    await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'ahead' })] });
    await giveUp(flowId);
    const program = await bundledProgram('test/support/flow-sweep-program.ts');
    /** How often it used its table, when it was not killed. */
    const sweepOnce = async (killed: SweepTask['killed']): Promise<number | undefined> => {
      await due();
      const sweep = new ChildProgram<SweepNews, never>(program, { environment: world.environment, killed } satisfies SweepTask);
      const signal = await sweep.ended;
      const [passed] = sweep.heard;
      expect(signal).toBe(passed === undefined ? 'SIGKILL' : null);
      return passed?.uses;
    };
    let uses: number | undefined;
    let unwritten = 0;
    for (let use = 0; use < 100 && uses === undefined; use += 1) {
      for (const after of [false, true]) {
        uses = await sweepOnce({ use, after });
        const decisions = await events('character', 'CharacterAcquireFailed', flowId);
        expect(decisions).toBeLessThanOrEqual(1);
        if (decisions === 1 && (await row(flowId))?.status === 'overdue') unwritten += 1;
      }
    }
    expect(uses).toBeGreaterThan(4);
    // It was killed between its decision and the writing down of it.
    expect(unwritten).toBeGreaterThan(0);
    await swept(flowId, { status: 'ended', ended_as: 'compensated' });
    expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(1);
  }, 280_000);

  it('has no second outcome when the event comes after all', async () => {
    const { flowId } = await register('late');
    await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'ahead' })] });
    await giveUp(flowId);
    await eventually(async () => {
      await due();
      await sweepWith().pass(NEVER);
      expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(1);
    }, WITHIN);
    // The group begins anew, so that every record that was given up is delivered once more, to the real reaction.
    await world.connections.brokerAdmin().deleteGroups([world.config.names.processorGroup('character')]);
    const stop = await world.processor('character');
    const { flowId: next } = await register('after-late');
    await swept(next, { status: 'ended', ended_as: 'granted' });
    await swept(flowId, { status: 'ended', ended_as: 'compensated' });
    await stop();
    expect(await events('character', 'CharacterAcquired', flowId)).toBe(0);
    expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(1);
  });

  it('leaves a flow alone whose record is parked', async () => {
    const { flowId } = await register('parked');
    await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'ahead' })] });
    await park(flowId);
    const found = await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'parked' })] });
    expect(found.waits_for[0]?.detail).toMatch(/is parked after 1 attempt, due 2.*\(HANDLER_FAILED\)$/);
    expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(0);
  });

  it('decides nothing while a database or Kafka cannot be asked, and says so', async () => {
    const { flowId } = await register('in the dark');
    await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'ahead' })] });
    await giveUp(flowId);
    const away = async (): Promise<never> => Promise.reject(new ClassifiedError('POSTGRES_UNAVAILABLE', 'away'));
    const { connections } = world;
    const noProfiles = sweepWith({
      database: (domain) => (domain === 'my' ? { query: away, execute: away, prepared: away } : connections.database(domain)),
    });
    const noKafka = sweepWith({
      admin: { committed: async () => Promise.reject(new ClassifiedError('KAFKA_UNAVAILABLE', 'away')) },
    });
    for (const sweep of [noProfiles, noKafka]) {
      await due();
      await sweep.pass(NEVER);
      expect(await row(flowId)).toMatchObject({ status: 'overdue', action: null });
    }
    expect((await row(flowId))?.waits_for).toMatchObject([{ where: 'unknown', detail: 'KAFKA_UNAVAILABLE: away' }]);
    expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(0);
    await swept(flowId, { status: 'ended', ended_as: 'compensated' });
  });

  it('goes on with the others when one flow, or one database, cannot be read or written', async () => {
    const platform = world.connections.platform();
    const { flowId } = await register('sound');
    const { flowId: sick } = await register('sick');
    await swept(sick, { status: 'overdue' });
    const refusing = {
      query: platform.query.bind(platform),
      transaction: platform.transaction.bind(platform),
      execute: async (text: string, values: readonly unknown[] = []) => {
        // Only the row of a look says so: the one that is put off is as it was read.
        if (String(values[0]).includes(`"${sick}"`) && String(values[0]).includes('"looks":99')) {
          throw new ClassifiedError('STATE_INVALID', 'refused');
        }
        return platform.execute(text, values);
      },
    };
    await platform.execute('UPDATE millrace.flows SET looks = 98 WHERE flow_id = $1', [sick]);
    await giveUp(flowId);
    const sweep = sweepWith({ platform: refusing as unknown as typeof platform });
    await due();
    expect((await sweep.pass(NEVER)).failure?.code).toBe('STATE_INVALID');
    expect(Date.parse((await row(sick))!.next_look_at!)).toBeGreaterThan(Date.now());
    await eventually(async () => {
      await due();
      await platform.execute('UPDATE millrace.flows SET looks = 98 WHERE flow_id = $1', [sick]);
      expect((await sweep.pass(NEVER)).failure?.code).toBe('STATE_INVALID');
      expect(await row(flowId)).toMatchObject({ status: 'ended', ended_as: 'compensated' });
    }, WITHIN);

    const notApplied = async (): Promise<never> => Promise.reject(new ClassifiedError('CONFIGURATION_INVALID', 'a table is missing'));
    const { connections } = world;
    const noProfiles = sweepWith({
      database: (domain) =>
        domain === 'my' ? { query: notApplied, execute: notApplied, prepared: notApplied } : connections.database(domain),
    });
    await due();
    expect(await noProfiles.pass(NEVER)).toMatchObject({ unread: ['my'], failure: undefined });
  });

  it('is not needed to see what began since: those flows are listed at once, and no more once it has taken them in', async () => {
    const { connections } = world;
    const sources = { pipeline, platform: connections.platform(), database: (domain: string) => connections.database(domain) };
    await sweepWith().pass(NEVER);
    const { flowId } = await register('unseen yet');
    const seen = await unseenFlows(sources, { limit: 10 });
    expect(seen.flows.map((flow) => [flow.flowId, flow.saga, flow.domain])).toEqual([[flowId, saga.name, 'image']]);
    expect([seen.isSweepLate, seen.gaps]).toEqual([false, []]);
    expect((await unseenFlows(sources, { saga: 'another', limit: 10 })).flows).toEqual([]);
    await swept(flowId, { status: 'overdue' });
    expect((await unseenFlows(sources, { limit: 10 })).flows).toEqual([]);
  });

  it('takes in what a foreign writer began under an id that is longer than ours, and what began after it', async () => {
    const long = 'x'.repeat(300);
    await world.connections.database('image').execute(
      `INSERT INTO image.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, metadata)
       VALUES ($1, 'image', 'foreign', 1, 'ImageRegistered', '{}', $2)`,
      [randomUUID(), JSON.stringify({ correlation_id: long, trace_id: long })],
    );
    const { flowId } = await register('after the foreign one');
    await swept(flowId, { status: 'overdue' });
    expect(await row('x'.repeat(128))).toMatchObject({ status: 'overdue', waits_for: [] });
  });

  it('misses no flow of a writer whose transaction is open for longer than it waits', async () => {
    const late = randomUUID();
    let flowId = '';
    await world.connections.database('image').transaction(async (session) => {
      await session.execute(
        `INSERT INTO image.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, metadata)
         VALUES ($1, 'image', 'late', 1, 'ImageRegistered', '{}', $2)`,
        [randomUUID(), JSON.stringify({ correlation_id: late })],
      );
      ({ flowId } = await register('beside a long transaction'));
      await sweepWith().pass(NEVER);
      expect(await row(flowId)).toBeUndefined();
    });
    await swept(flowId, { status: 'overdue' });
    expect(await row(late)).toMatchObject({ status: 'overdue' });
  });

  it('goes on where a sweep died: after a decision that it had not written down, and after a page of beginnings', async () => {
    const { flowId } = await register('killed');
    await swept(flowId, { status: 'overdue', waits_for: [expect.objectContaining({ where: 'ahead' })] });
    await giveUp(flowId);
    const dies: SettleStep = async (step, overdue, signal) => {
      await settle(step, overdue, signal);
      throw new Error('killed');
    };
    await eventually(async () => {
      await due();
      await expect(sweepWith({ settle: dies }).pass(NEVER)).rejects.toThrow('killed');
    }, WITHIN);
    expect((await row(flowId))?.action).toBeNull();
    await swept(flowId, { status: 'ended', ended_as: 'compensated' });
    expect(await events('character', 'CharacterAcquireFailed', flowId)).toBe(1);

    const { flowId: unseen } = await register('unseen');
    const platform = world.connections.platform();
    const diesWriting = {
      ...platform,
      query: platform.query.bind(platform),
      execute: platform.execute.bind(platform),
      transaction: async () => Promise.reject(new Error('killed')),
    };
    await expect(sweepWith({ platform: diesWriting as unknown as typeof platform }).pass(NEVER)).rejects.toThrow('killed');
    expect(await row(unseen)).toBeUndefined();
    await swept(unseen, { status: 'overdue' });
  });

  it('looks for as many as it may, leaves the others due as they were, and comes to them next', async () => {
    const { flowId } = await register('one of many');
    await swept(flowId, { status: 'overdue' });
    await due();
    const platform = world.connections.platform();
    const later = async (): Promise<number> =>
      (await platform.query(`SELECT FROM millrace.flows WHERE status = 'overdue' AND next_look_at > now()`)).length;
    const many = (await platform.query(`SELECT FROM millrace.flows WHERE status = 'overdue'`)).length;
    expect(many).toBeGreaterThan(1);
    const sweep = sweepWith({ limits: { settledMs: 0, located: 1 } });
    for (let looked = 1; looked <= many; looked += 1) {
      expect((await sweep.pass(NEVER)).more).toBe(looked < many);
      expect(await later()).toBe(looked);
    }
  });

  it('takes in what began while no sweep looked, however long that was, and says what is too old to be judged', async () => {
    const { flowId } = await register('while it stood');
    await sweepWith({ limits: { settledMs: 0, backMs: 1 } }).pass(NEVER);
    expect(await row(flowId)).toMatchObject({ saga: 'scan-to-reward' });

    const { flowId: old } = await register('too old');
    const said: LogFields[] = [];
    const counted: unknown[] = [];
    const stood = sweepWith({
      limits: { settledMs: 0, forgetMs: 1 },
      logger: { ...SILENT_LOGGER, error: (fields) => void said.push(fields) },
      metrics: { ...NO_METRICS, count: (...what) => void counted.push(what) },
    });
    await stood.pass(NEVER);
    expect(await row(old)).toBeUndefined();
    expect(said).toContainEqual(expect.objectContaining({ saga: 'scan-to-reward', 'event.type': 'ImageRegistered', flows: 1 }));
    expect(counted).toContainEqual(['millrace_flows_passed_over_total', { saga: 'scan-to-reward' }, 1]);
    said.length = 0;
    await stood.pass(NEVER);
    expect(said.filter((fields) => 'event.type' in fields)).toEqual([]);
  });
});
