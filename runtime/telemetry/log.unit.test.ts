import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { createLogger } from './log.ts';

function capture(format: 'ecs' | 'flat') {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({
    service: 'api',
    environment: 'test',
    level: 'debug',
    format,
    destination: { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  return { lines, logger };
}

describe('a log line', () => {
  it('has the names of the Elastic Common Schema', () => {
    const { lines, logger } = capture('ecs');
    logger.child({ 'trace.id': 'abc' }).info({ 'kafka.offset': 12n, nothing: undefined }, 'handled');
    expect(lines[0]).toMatchObject({
      'log.level': 'info',
      'service.name': 'api',
      'service.version': expect.stringMatching(/^\d+\.\d+\.\d+/) as unknown,
      'trace.id': 'abc',
      'kafka.offset': 12,
      message: 'handled',
    });
    expect(lines[0]).toHaveProperty('@timestamp');
    expect(lines[0]).not.toHaveProperty('nothing');
  });

  it('has flat names when asked for', () => {
    const { lines, logger } = capture('flat');
    logger.info({ 'trace.id': 'abc' }, 'handled');
    expect(lines[0]).toMatchObject({ level: 'info', trace_id: 'abc', service: 'api' });
  });

  it('keeps numbers above 2^53 as text', () => {
    const { lines, logger } = capture('ecs');
    logger.info({ version: 9_007_199_254_740_993n }, 'seen');
    expect(lines[0]?.['version']).toBe('9007199254740993');
  });

  it("shows a classified error's own words and of its cause only type, code and place", () => {
    const { lines, logger } = capture('ecs');
    const driver = Object.assign(new Error('invalid input: "a secret payload"'), { code: '22P02', detail: 'a secret payload' });
    logger.error({}, 'failed', new ClassifiedError('STATE_INVALID', 'PostgreSQL refused the row', { cause: driver }));
    logger.error({}, 'failed', driver);
    expect(lines[0]).toMatchObject({
      'error.code': 'STATE_INVALID',
      'error.message': 'PostgreSQL refused the row',
      'error.cause.code': '22P02',
    });
    expect(lines[1]).toMatchObject({ 'error.code': '22P02', 'error.type': 'Error' });
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});
