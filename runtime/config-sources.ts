import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { SETTINGS } from './config-settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `POSTGRES_URL_SCAN` gives the domain `scan` a server of its own. */
export function domainValues<T extends string>(
  values: Environment,
  prefix: string,
  schema: z.ZodType<T>,
  faults: string[],
): Record<string, T> {
  const found: Record<string, T> = {};
  for (const [name, text] of Object.entries(values)) {
    if (!name.startsWith(prefix) || name.endsWith('_FILE') || text === undefined || text === '') continue;
    const parsed = schema.safeParse(text);
    if (parsed.success) found[name.slice(prefix.length).toLowerCase()] = parsed.data;
    else faults.push(`${name} ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  }
  return found;
}

/** `CAPTURE_SCAN` names a domain; `CAPTURE_REPAIR` and `CAPTURE_URL_SCAN` are other settings. */
export function withoutSettings(values: Environment): Environment {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !(name in SETTINGS) && !name.startsWith('CAPTURE_URL_')));
}

export function withConfigFile(environment: Environment, faults: string[]): Environment {
  const path = environment['MILLRACE_CONFIG_FILE'];
  if (path === undefined || path === '') return environment;
  try {
    const file = z.record(z.string(), z.string()).safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (file.success) {
      const present = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '');
      return { ...file.data, ...Object.fromEntries(present) };
    }
    faults.push('MILLRACE_CONFIG_FILE must hold one JSON object whose values are strings');
  } catch {
    faults.push('MILLRACE_CONFIG_FILE names a file that cannot be read as JSON');
  }
  return environment;
}

const DOMAIN_URL_PREFIXES = ['POSTGRES_URL_', 'CAPTURE_URL_', 'REDIS_URL_'];

export function resolveFiles(values: Environment, faults: string[]): Environment {
  const resolved: Record<string, string | undefined> = { ...values };
  for (const [name, path] of Object.entries(values)) {
    const target = name.slice(0, -'_FILE'.length);
    const isOurs = target in SETTINGS || DOMAIN_URL_PREFIXES.some((prefix) => target.startsWith(prefix));
    if (!name.endsWith('_FILE') || !isOurs || path === undefined || path === '') continue;
    try {
      resolved[target] = readFileSync(path, 'utf8').trim();
    } catch {
      faults.push(`${name} names a file that cannot be read`);
    }
  }
  return resolved;
}
