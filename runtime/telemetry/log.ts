import { pino } from 'pino';
import type { DestinationStream } from 'pino';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import { packageVersion } from '../version.ts';

export interface LogOptions {
  readonly service: string;
  readonly environment: string;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `ecs`: field names of the Elastic Common Schema. `flat`: `timestamp, level, logger, trace_id …` for collectors that expect them. */
  readonly format: 'ecs' | 'flat';
  readonly destination?: DestinationStream;
}

/**
 * One JSON object per line on standard output. A full pipe or a broken one never stops the work: pino drops to its
 * buffer, and a destination error is ignored.
 */
export function createLogger(options: LogOptions): Logger {
  const flat = options.format === 'flat';
  const base = flat
    ? { service: options.service, environment: options.environment }
    : {
        'ecs.version': '8.11.0',
        'service.name': options.service,
        'service.version': packageVersion(),
        'service.environment': options.environment,
        'event.dataset': options.service,
        'process.pid': process.pid,
      };
  const settings = {
    level: options.level,
    base,
    messageKey: 'message',
    timestamp: () => `,"${flat ? 'timestamp' : '@timestamp'}":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ [flat ? 'level' : 'log.level']: label }) },
  };
  const root = options.destination === undefined ? pino(settings) : pino(settings, options.destination);
  return wrap(root, flat);
}

interface LineWriter {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): LineWriter;
}

function wrap(line: LineWriter, flat: boolean): Logger {
  const fields = (given: LogFields, error?: unknown): object => named({ ...given, ...errorFields(error) }, flat);
  return {
    debug: (given, message) => line.debug(fields(given), message),
    info: (given, message) => line.info(fields(given), message),
    warn: (given, message, error) => line.warn(fields(given, error), message),
    error: (given, message, error) => line.error(fields(given, error), message),
    child: (given) => wrap(line.child(fields(given)), flat),
  };
}

const FLAT_NAMES: Readonly<Record<string, string>> = {
  'trace.id': 'trace_id',
  'span.id': 'span_id',
  'http.request.id': 'request_id',
  'user.id': 'user_id',
  'log.logger': 'logger',
  'error.code': 'error_code',
  'error.type': 'error_type',
  'error.message': 'error_message',
  'error.stack_trace': 'error_stack',
  'kafka.topic': 'topic',
  'kafka.partition': 'partition',
  'kafka.offset': 'offset',
};

function named(given: LogFields, flat: boolean): object {
  const line: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    // A number above 2^53 would lose digits in the reader of the line: it goes as text.
    const shown = typeof value === 'bigint' ? (value <= 9_007_199_254_740_991n ? Number(value) : value.toString()) : value;
    line[flat ? (FLAT_NAMES[name] ?? name) : name] = shown;
  }
  return line;
}

/**
 * What a log line says of an error. Messages of drivers and parsers echo rows and payloads, so only a ClassifiedError's
 * own message is shown; of everything else the type, the code and where it happened.
 */
export function errorFields(error: unknown): LogFields {
  if (error === undefined) return {};
  if (error instanceof ClassifiedError) {
    const cause = error.cause;
    return {
      'error.code': error.code,
      'error.type': error.name,
      'error.message': error.message,
      ...(cause instanceof Error
        ? { 'error.cause.type': cause.name, 'error.cause.code': codeOf(cause), 'error.cause.stack_trace': frames(cause) }
        : {}),
    };
  }
  if (error instanceof Error) return { 'error.type': error.name, 'error.code': codeOf(error), 'error.stack_trace': frames(error) };
  return { 'error.type': typeof error };
}

function codeOf(error: Error): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : undefined;
}

function frames(error: Error): string | undefined {
  const at = error.stack?.indexOf('\n    at ');
  return at === undefined || at < 0 ? undefined : error.stack?.slice(at + 1).slice(0, 4_000);
}
