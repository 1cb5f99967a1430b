/**
 * Logging as a port. Fields are ids, names, sizes and codes; never a payload, a header value of unknown content or a
 * secret. Field names are ECS where ECS has one (`trace.id`, `error.code`); the runtime adds time, service and trace.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;

export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string, error?: unknown): void;
  error(fields: LogFields, message: string, error?: unknown): void;
  child(fields: LogFields): Logger;
}

export const SILENT_LOGGER: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT_LOGGER,
};
