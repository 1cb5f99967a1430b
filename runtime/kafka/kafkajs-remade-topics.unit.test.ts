import { describe, expect, it } from 'vitest';
import { RemadeTopics } from './kafkajs-remade-topics.ts';

const at = (partition: number) => ({ topic: 'made.again', partition });
const other = { topic: 'as.ever', partition: 0 };

describe('a topic that was made again', () => {
  it('is begun anew in each partition, also in one that comes later, until something of the new log is committed', () => {
    const remade = new RemadeTopics();
    remade.committed([at(0)]);
    expect(remade.unbegun([at(0), other])).toEqual([]);
    remade.add(['made.again']);
    expect(remade.unbegun([at(0), at(1), other])).toEqual([at(0), at(1)]);
    remade.committed([at(0), other]);
    expect(remade.unbegun([at(0), at(1), at(2)])).toEqual([at(1), at(2)]);
    remade.add(['made.again']);
    expect(remade.unbegun([at(0)])).toEqual([at(0)]);
  });

  it('is forgotten once every member has had its time to notice', () => {
    let now = 0;
    const remade = new RemadeTopics(() => now);
    remade.add(['made.again']);
    now = 14 * 60_000;
    expect(remade.unbegun([at(0)])).toEqual([at(0)]);
    now = 15 * 60_000;
    expect(remade.unbegun([at(0)])).toEqual([]);
  });
});
