import { describe, expect, it } from 'vitest';
import { lsn } from '../../core/lsn.ts';
import { encodeStandbyStatus } from './standby-status.ts';

describe('a standby status message', () => {
  it('reports the positions as they are, and the clock in microseconds since 2000', () => {
    const at = Date.UTC(2000, 0, 1, 0, 0, 2);
    const bytes = encodeStandbyStatus({ receivedLsn: lsn(0x1_0000_0200n), flushLsn: lsn(0x1_0000_0100n), replyRequested: true }, at);
    expect(bytes.toString('hex')).toBe(
      ['72', '0000000100000200', '0000000100000100', '0000000100000100', (2_000_000).toString(16).padStart(16, '0'), '01'].join(''),
    );
  });
});
