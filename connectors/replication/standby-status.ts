import type { Lsn } from '../../core/lsn.ts';
import { POSTGRES_EPOCH_US } from './pgoutput.ts';

/** What the relay tells the server about its progress. */
export interface StandbyStatus {
  /** The highest position received. For `pg_stat_replication` only. */
  readonly receivedLsn: Lsn;
  /** Everything that committed before this position may be forgotten by the server. LSN_ZERO: unchanged. */
  readonly flushLsn: Lsn;
  /** Asks the server to answer at once with a keepalive: proof that it lives. */
  readonly replyRequested: boolean;
}

/**
 * The 34 bytes of a standby status update ('r').
 * Source: PostgreSQL documentation, section "Streaming Replication Protocol".
 */
export function encodeStandbyStatus(status: StandbyStatus, nowMs: number): Buffer {
  const message = Buffer.allocUnsafe(34);
  message[0] = 0x72;
  message.writeBigUInt64BE(status.receivedLsn, 1);
  message.writeBigUInt64BE(status.flushLsn, 9);
  message.writeBigUInt64BE(status.flushLsn, 17);
  message.writeBigInt64BE(BigInt(Math.trunc(nowMs)) * 1000n - POSTGRES_EPOCH_US, 25);
  message[33] = status.replyRequested ? 1 : 0;
  return message;
}
