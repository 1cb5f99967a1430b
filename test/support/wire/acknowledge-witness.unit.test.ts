import { describe, expect, it } from 'vitest';
import { AcknowledgeWitness } from './acknowledge-witness.ts';

/** Two transactions whose commit records touch: the second begins where the first ends. */
const FIRST = { id: 'a', commitLsn: 100n };
const SECOND = { id: 'b', commitLsn: 140n };
const END = 140n;

function witness(): AcknowledgeWitness {
  const seen = new AcknowledgeWitness();
  seen.row(FIRST);
  seen.position(END);
  seen.row(SECOND);
  return seen;
}

describe('the witness of the acknowledge rule', () => {
  it('lets pass what was acknowledged before it was told', () => {
    const seen = witness();
    seen.status(0n);
    seen.acknowledged(['a']);
    seen.status(END);
    expect(seen.breaches).toEqual([]);
    expect(seen.judge([FIRST, SECOND])).toBeUndefined();
  });

  it('catches a position that was told before Kafka acknowledged, also when it does so later', () => {
    const seen = witness();
    seen.status(END);
    seen.acknowledged(['a']);
    expect(seen.breaches).toEqual(['row a, committed at 0/64, was told as durable by 0/8C before Kafka acknowledged it']);
    expect(seen.judge([FIRST])).toContain('row a');
  });

  it('catches one byte too much, which skips a transaction that begins right there', () => {
    const seen = witness();
    seen.acknowledged(['a']);
    seen.status(END + 1n);
    expect(seen.breaches).toEqual([
      'position 0/8D was told, and the server never named it',
      'row b, committed at 0/8C, was told as durable by 0/8D before Kafka acknowledged it',
    ]);
  });

  it('catches the position of a keepalive that came inside of a transaction', () => {
    const seen = witness();
    seen.acknowledged(['a']);
    seen.position(150n);
    seen.status(150n);
    expect(seen.breaches).toEqual(['row b, committed at 0/8C, was told as durable by 0/96 before Kafka acknowledged it']);
  });

  it('catches a row that was told before the relay was even sent it', () => {
    const seen = witness();
    seen.acknowledged(['a', 'b']);
    seen.position(500n);
    seen.status(500n);
    expect(seen.judge([FIRST, SECOND, { id: 'hidden', commitLsn: 300n }])).toContain('row hidden');
    seen.row({ id: 'late', commitLsn: 400n });
    expect(seen.breaches).toHaveLength(1);
  });

  it('does not mind rows that come again after a new connection', () => {
    const seen = witness();
    seen.acknowledged(['a', 'b']);
    seen.position(200n);
    seen.status(200n);
    seen.row(FIRST);
    seen.status(END);
    expect(seen.judge([FIRST, SECOND])).toBeUndefined();
  });

  it('is not content with what it could not read', () => {
    const seen = witness();
    seen.blind('a request to Kafka: compression 4');
    expect(seen.judge([])).toContain('could not read');
  });
});
