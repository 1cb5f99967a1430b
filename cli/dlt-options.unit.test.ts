import { describe, expect, it } from 'vitest';
import { Names } from '../core/names.ts';
import { pipeline } from '../pipeline.ts';
import { letterQueues } from '../runtime/dead-letters/letter-queues.ts';
import { ageOf, countOf, unknownWords } from './common-options.ts';
import { dltCommand } from './dlt-command.ts';
import { chooses, filterOf, letterCommand, noLetter, queuesOf, thisOperator } from './dlt-options.ts';
import { UsageError } from './exit.ts';

const dataFolder = '.millrace';
const queues = letterQueues(pipeline, new Names());

describe('the conditions on the command line', () => {
  it('are ages in seconds, minutes, hours or days', () => {
    expect(['90s', '30m', '12h', '7d'].map((text) => ageOf(text, '--older-than'))).toEqual([90_000, 1_800_000, 43_200_000, 604_800_000]);
    for (const text of ['', '5', 'soon', '-1h', '1.5h', '1w']) expect(() => ageOf(text, '--older-than')).toThrow(UsageError);
  });

  it('choose what nobody has handled when no state is named', () => {
    expect(filterOf({ dataFolder, olderThan: '1h', newerThan: '1d' }, 90_000_000)).toMatchObject({
      ...{ states: ['open', 'archived'], writtenBeforeMs: 86_400_000, writtenFromMs: 3_600_000 },
    });
    expect(filterOf({ dataFolder, state: 'all' }, 0).states).toBeUndefined();
    expect(filterOf({ dataFolder, state: 'replayed,discarded' }, 0).states).toEqual(['replayed', 'discarded']);
    expect(() => filterOf({ dataFolder, state: 'lost' }, 0)).toThrow(UsageError);
  });

  it('have one word for the error code, and the former one still means it', () => {
    expect(filterOf({ dataFolder, code: 'CALL_FAILED' }, 0).code).toBe('CALL_FAILED');
    expect(filterOf({ dataFolder, error: 'CALL_FAILED' }, 0).code).toBe('CALL_FAILED');
    expect(() => filterOf({ dataFolder, code: 'CALL_FAILED', error: 'DECISION_FAILED' }, 0)).toThrow(UsageError);
    const help = letterCommand('list', 'of this test').helpInformation();
    expect(help).toContain('--code <code>');
    expect(help).not.toContain('--error');
    expect([chooses({ dataFolder }), chooses({ dataFolder, error: 'CALL_FAILED' }), chooses({ dataFolder, key: 'k' })]).toEqual([
      ...[false, true, true],
    ]);
  });

  it('choose queues by group, by dead-letter topic and by the topic that was read, and say what there is when none fits', () => {
    const group = queuesOf(queues, { dataFolder, group: 'processor.scan' });
    expect(group.map(({ topic }) => topic)).toContain('events.image.registered.processor.scan.dlt');
    expect(queuesOf(queues, { dataFolder, topic: 'events.image.registered.processor.scan.dlt' })).toHaveLength(1);
    expect(queuesOf(queues, { dataFolder, topic: 'events.image.registered' }).map(({ group: name }) => name)).toContain('processor.scan');
    expect(queuesOf(queues, { dataFolder, group: 'capture.scan' }).map(({ topic }) => topic)).toEqual(['capture.scan.dlt']);
    expect(() => queuesOf(queues, { dataFolder, group: 'nobody' })).toThrow(/^there is no group nobody\nGroups: .*processor\.scan/);
    expect(() => queuesOf(queues, { dataFolder, topic: 'nope\u001b' })).toThrow(
      /^no group reads the topic nope\?, .*\nTopics: capture\.auth\.dlt, .*events\.scan\.requested/,
    );
    expect(() => queuesOf(queues, { dataFolder, group: 'processor.scan', topic: 'events.my.profile_updated' })).toThrow(
      /^processor\.scan does not read the topic events\.my\.profile_updated, .*\nTopics: (?!.*(capture|profile_updated)).*events\.scan\.requested/,
    );
  });

  it.each(['replay', 'purge'])('of %s are not both to try and to do it', async (verb) => {
    const run = dltCommand().exitOverride().parseAsync(['node', 'dlt', verb, '--key', 'k', '--apply', '--dry-run']);
    await expect(run).rejects.toThrow('say either --dry-run or --apply');
  });

  it('are told, when no letter is found, from there being none', () => {
    expect(noLetter({ dataFolder })).toMatch(/^there is no dead letter that nobody has handled; .*--state all/);
    expect(noLetter({ dataFolder, state: 'all' })).toBe('there are no dead letters');
    expect(noLetter({ dataFolder, state: 'replayed' })).toBe('there is no dead letter in this state');
    expect(noLetter({ dataFolder, topic: 'events.scan.requested', state: 'all' })).toBe('there are no dead letters there');
    expect(noLetter({ dataFolder, fromArchive: '/archive' })).toMatch(/^there is no dead letter there that nobody has handled/);
    expect(noLetter({ dataFolder, key: 'somebody' })).toBe('no dead letter fits');
    expect(noLetter({ dataFolder, code: 'CALL_FAILED' })).toBe('no dead letter fits');
  });

  it('name a code that there is not once, beside the data', () => {
    const [words = ''] = unknownWords({ code: 'CALL_FAILD\u001b' }, pipeline);
    expect(words).toMatch(/^this version has no error with the code CALL_FAILD\?\nCodes: .*CALL_FAILED/);
    expect(noLetter({ dataFolder, code: 'CALL_FAILD\u001b' })).toBe('no dead letter fits');
  });

  it('are whole numbers within their limits', () => {
    expect(countOf('10', '--limit', 10)).toBe(10);
    for (const text of ['0', '11', '1e1', 'x']) expect(() => countOf(text, '--limit', 10)).toThrow(UsageError);
  });

  it('name somebody who decides', () => {
    expect(thisOperator()).not.toBe('');
  });
});
