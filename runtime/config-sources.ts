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
      const unknown = Object.keys(file.data).filter((name) => !isSetting(name));
      faults.push(...unknown.map((name) => `${name} in the file that MILLRACE_CONFIG_FILE names is no setting`));
      const present = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '');
      // `NAME` here wins over `NAME_FILE` there as well, and the other way round.
      const given = new Set(present.map(([name]) => settingOf(name)));
      const others = Object.entries(file.data).filter(([name]) => !given.has(settingOf(name)));
      return Object.fromEntries([...others, ...present]);
    }
    faults.push('MILLRACE_CONFIG_FILE must hold one JSON object whose values are strings');
  } catch {
    faults.push('MILLRACE_CONFIG_FILE names a file that cannot be read as JSON');
  }
  return environment;
}

const DOMAIN_URL_PREFIXES = ['POSTGRES_URL_', 'CAPTURE_URL_', 'REDIS_URL_'];
const DOMAIN_PREFIXES = [...DOMAIN_URL_PREFIXES, 'CAPTURE_', 'KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE_'];

/** `POSTGRES_URL` of `POSTGRES_URL_FILE`. */
function settingOf(name: string): string {
  return name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : name;
}

/** An environment holds what others need; who writes a file for us means each of its names. */
function isSetting(name: string): boolean {
  const setting = settingOf(name);
  return Object.hasOwn(SETTINGS, setting) || DOMAIN_PREFIXES.some((prefix) => setting.startsWith(prefix));
}

export function resolveFiles(values: Environment, faults: string[]): Environment {
  const resolved: Record<string, string | undefined> = { ...values };
  for (const [name, path] of Object.entries(values)) {
    const target = settingOf(name);
    const isOurs = target in SETTINGS || DOMAIN_URL_PREFIXES.some((prefix) => target.startsWith(prefix));
    if (!name.endsWith('_FILE') || !isOurs || path === undefined || path === '') continue;
    if ((values[target] ?? '') !== '') faults.push(`${target} and ${name} are both set: one of them is meant`);
    try {
      resolved[target] = readFileSync(path, 'utf8').trim();
    } catch {
      faults.push(`${name} names a file that cannot be read`);
    }
  }
  return resolved;
}
