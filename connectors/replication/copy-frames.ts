import type { Lsn } from '../../core/lsn.ts';
import { lsn } from '../../core/lsn.ts';

/** None may throw. */
export interface FrameHandlers {
  /** One pgoutput message, `bytes[start, end)`: overwritten as soon as the call returns. */
  onWal(bytes: Buffer, start: number, end: number): void;
  onKeepalive(walEnd: Lsn, replyRequested: boolean): void;
  /** Any message that is not CopyData, whole and in memory of its own. */
  onOther(message: Buffer): void;
  /**
   * Whether nobody needs the pgoutput message of which `bytes[start, end)` is the beginning. Asked for one that does not fit
   * into the buffer: what is left of it is dropped as it comes, and it is not handed over.
   */
  isUnwanted?(bytes: Buffer, start: number, end: number): boolean;
}

const COPY_DATA = 0x64;
const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
/** Tag and length of a message; then, in XLogData: kind, start and end of the WAL, send time. */
const MESSAGE_HEAD_BYTES = 5;
const XLOG_HEAD_BYTES = 25;
/** PostgreSQL makes no message above its limit of allocation. */
const MESSAGE_BYTES_MAX = 0x3fffffff + XLOG_HEAD_BYTES;

/**
 * Cuts the bytes of a replication connection into messages, in the buffer into which the socket was read: nothing is copied
 * but the beginning of a message whose end has not come yet. The buffer grows for a message that is larger than it, and
 * is given back after it.
 *
 * Source: PostgreSQL documentation, sections "Message Formats" and "Streaming Replication Protocol".
 */
export class CopyFrames {
  private readonly handlers: FrameHandlers;
  private readonly bytesUsually: number;
  private buffer: Buffer;
  private filled = 0;
  /** Bytes of an unwanted message that are still to come. */
  private dropping = 0;
  private sentAt = 0;

  constructor(handlers: FrameHandlers, bufferBytes: number) {
    this.handlers = handlers;
    this.bytesUsually = bufferBytes;
    this.buffer = Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** Where the next bytes are to be read to. Never empty. */
  free(): Buffer {
    return this.filled === 0 ? this.buffer : this.buffer.subarray(this.filled);
  }

  /** Microseconds since 2000-01-01 on the server's clock, when it sent the last WAL message; 0 before the first. */
  get sentAtPostgresUs(): number {
    return this.sentAt;
  }

  /**
   * So many bytes were read into `free()`: hands over every message that is complete.
   * @throws RangeError for bytes that are no message of the protocol.
   */
  taken(count: number): void {
    const { buffer, handlers } = this;
    const end = this.filled + count;
    let at = Math.min(this.dropping, end);
    let wanted = 0;
    this.dropping -= at;
    let lastXlog = -1;
    while (end - at >= MESSAGE_HEAD_BYTES) {
      const next = at + 1 + uint32(buffer, at + 1);
      if (next < at + MESSAGE_HEAD_BYTES || next - at > MESSAGE_BYTES_MAX) throw new RangeError('a message of impossible length');
      if (next > end) {
        wanted = next - at;
        if (!this.isUnwanted(at, end, wanted)) break;
        this.dropping = next - end;
        at = end;
        wanted = 0;
        break;
      }
      if (buffer[at] !== COPY_DATA) handlers.onOther(Buffer.from(buffer.subarray(at, next)));
      else if (buffer[at + 5] === XLOG_DATA) {
        if (next - at < MESSAGE_HEAD_BYTES + XLOG_HEAD_BYTES) throw new RangeError('WAL data without its head');
        lastXlog = at;
        handlers.onWal(buffer, at + MESSAGE_HEAD_BYTES + XLOG_HEAD_BYTES, next);
      } else if (buffer[at + 5] === KEEPALIVE) {
        handlers.onKeepalive(lsn(buffer.readBigUInt64BE(at + 6)), buffer[at + 22] === 1);
      } else throw new RangeError('CopyData that is neither WAL nor keepalive');
      at = next;
    }
    if (lastXlog >= 0) this.sentAt = uint32(buffer, lastXlog + 22) * 0x1_0000_0000 + uint32(buffer, lastXlog + 26);
    this.keep(at, end, wanted);
  }

  private isUnwanted(at: number, end: number, messageBytes: number): boolean {
    if (messageBytes <= this.bytesUsually || this.buffer[at] !== COPY_DATA || this.buffer[at + 5] !== XLOG_DATA) return false;
    const start = at + MESSAGE_HEAD_BYTES + XLOG_HEAD_BYTES;
    return start < end && this.handlers.isUnwanted?.(this.buffer, start, end) === true;
  }

  /** The incomplete message goes to the front of a buffer that can hold all of it. */
  private keep(at: number, end: number, wanted: number): void {
    this.filled = end - at;
    const { buffer } = this;
    const capacity = Math.max(this.bytesUsually, wanted);
    if (capacity > buffer.length || (capacity < buffer.length && at > 0)) this.buffer = Buffer.allocUnsafeSlow(capacity);
    if (this.filled > 0 && (at > 0 || this.buffer !== buffer)) buffer.copy(this.buffer, 0, at, end);
  }
}

function uint32(bytes: Buffer, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}
