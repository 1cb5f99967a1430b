import type { ConnectRest } from './connect-rest.ts';
import type { Connector, ConnectorConfig } from './connector.ts';

/**
 * Brings a connector to what the pipeline says of it; returns what changed, in words, and nothing the second time. A new one
 * starts; one that is paused or stopped stays so.
 */
export async function registerConnector(rest: ConnectRest, { name, config }: Connector): Promise<string[]> {
  const changes = changesOf(name, await rest.config(name), config);
  if (changes.length > 0) await rest.put(name, config);
  return changes;
}

/** What registering would change. Values are shown: a configuration holds no password, only where one is. */
export function changesOf(name: string, current: ConnectorConfig | undefined, wanted: ConnectorConfig): string[] {
  if (current === undefined) return [`connector ${name}: registered`];
  const settings = [...new Set([...Object.keys(current), ...Object.keys(wanted)])].filter((setting) => setting !== 'name').sort();
  return settings
    .filter((setting) => current[setting] !== wanted[setting])
    .map((setting) => `connector ${name}: ${setting} ${shown(setting, current[setting])} → ${shown(setting, wanted[setting])}`);
}

/** Of a connector that somebody else made, a password may stand there in plain text. */
function shown(setting: string, value: string | undefined): string {
  if (value === undefined) return '(none)';
  return /password|secret|token/i.test(setting) && !/^\$\{[^}]+\}$/.test(value) ? '***' : value;
}
