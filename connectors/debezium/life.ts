import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ConnectRest } from './connect-rest.ts';

const STOP_TIMEOUT_MS = 60_000;
const LOOK_MS = 100;

/**
 * Stops a connector and waits until its tasks are gone; what it had read is in Kafka then, and its slot is free. Resolves at
 * once when it is stopped already.
 * @throws ClassifiedError CONNECTOR_MISSING, CONNECT_UNAVAILABLE when it does not end within a minute.
 */
export async function stopConnector(rest: ConnectRest, name: string, clock: Clock): Promise<void> {
  await rest.stop(name);
  const deadline = clock.monotonicMs() + STOP_TIMEOUT_MS;
  for (;;) {
    const status = await rest.status(name);
    if (status === undefined) throw new ClassifiedError('CONNECTOR_MISSING', `there is no connector ${name}`);
    if (status.state === 'STOPPED' && status.tasks.length === 0) return;
    if (clock.monotonicMs() > deadline) throw new ClassifiedError('CONNECT_UNAVAILABLE', `the connector ${name} does not stop`);
    await clock.sleep(LOOK_MS);
  }
}

/** Stops the connector, forgets its offsets and removes it. Its slot and its topics stay. False when there was none. */
export async function removeConnector(rest: ConnectRest, name: string, clock: Clock): Promise<boolean> {
  if ((await rest.config(name)) === undefined) return false;
  await stopConnector(rest, name, clock);
  await rest.forgetOffsets(name);
  return rest.remove(name);
}
