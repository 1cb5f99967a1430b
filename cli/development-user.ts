import { createHash, randomBytes } from 'node:crypto';
import { developmentToken as signToken } from '../api/development-token.ts';
import { startTrace } from '../core/trace.ts';
import { registerUser } from '../processors/auth/register-user.ts';
import { pipelineIn } from '../pipeline.ts';
import type { Config } from '../runtime/config.ts';
import { Connections } from '../runtime/connections.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { tokenOptions } from './token-options.ts';

/** Registers the users that are not there yet, as the auth domain does it, and leaves the others alone. */
export async function registerUsers(config: Config, userIds: readonly string[]): Promise<void> {
  const logger = createLogger({ service: 'millrace-users', environment: config.environment, level: 'error', format: config.log.format });
  const connections = new Connections(pipelineIn(config.timeZone), config, logger, 'millrace-users');
  try {
    const unitOfWork = connections.unitOfWork('auth');
    const next = userIds[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (let item = next.next(); item.done !== true; item = next.next()) {
        const email_hash = createHash('sha256').update(item.value).digest('hex');
        const cause = { trace: startTrace({}, (length) => randomBytes(length)) };
        await executeCommand(unitOfWork, registerUser, { user_id: item.value, provider: 'local', email_hash }, cause);
      }
    };
    await Promise.all(Array.from({ length: Math.min(8, userIds.length) }, worker));
  } finally {
    for (const service of connections.services()) await service.stop(AbortSignal.timeout(5_000));
  }
}

/** A token for a user, who is registered when new. Development only. */
export async function developmentToken(
  config: Config,
  userId: string,
  lifetimeSeconds = 24 * 3_600,
  permissions: readonly string[] = [],
): Promise<string> {
  await registerUsers(config, [userId]);
  return signToken(tokenOptions(config), { id: userId, lifetimeSeconds, permissions }, Date.now());
}
