import type { ServerWal, WalPin } from './wal-facts.ts';

/**
 * What keeps the log that a slot holds back:
 *
 * - `nobody`: it is little, or the server will let go of it by itself (within seconds, at a checkpoint at the latest).
 * - `receiver`: the relay has not confirmed it: Kafka is away, or the relay is slow.
 * - `no receiver`: nobody reads the slot.
 * - `transaction`: confirmed, but an open transaction that is older keeps the server from going on.
 */
export type WalHolder = { readonly by: 'nobody' | 'receiver' | 'no receiver' } | { readonly by: 'transaction'; readonly pin: WalPin };

/** Below this nothing is worth a word: the server moves a slot's start only every so often. */
const LITTLE_BYTES = 64 * 1_048_576;
/** A transaction of the last moments holds nothing. */
const YOUNG_SECONDS = 30;

export function walHolder(server: ServerWal, name: string): WalHolder {
  const slot = server.slots.find((each) => each.name === name);
  const retained = slot?.retainedBytes;
  if (slot === undefined || retained === undefined || retained < LITTLE_BYTES) return { by: 'nobody' };
  const unconfirmed = slot.confirmedLagBytes ?? retained;
  if (unconfirmed * 2 >= retained) return { by: slot.active ? 'receiver' : 'no receiver' };
  const pin = server.pins.find(({ ageSeconds }) => ageSeconds >= YOUNG_SECONDS);
  return pin === undefined ? { by: 'nobody' } : { by: 'transaction', pin };
}

/** A sentence for the operator. The name of a prepared transaction is its owner's choice and is not repeated here. */
export function holderSentence(holder: WalHolder): string | undefined {
  switch (holder.by) {
    case 'nobody':
      return undefined;
    case 'receiver':
      return 'the relay has not confirmed it: look at the relay and at Kafka';
    case 'no receiver':
      return 'nobody reads the slot: start the relay';
    case 'transaction': {
      const { pin } = holder;
      const who = pin.kind === 'transaction' ? `session ${pin.pid} (${pin.application || 'no application name'}, ${pin.state})` : pin.kind;
      return `${who} of ${pin.user} in ${pin.database} is open for ${pin.ageSeconds} s and keeps it: end that transaction`;
    }
  }
}
