import { expect, test } from 'vitest';
import { selfTimes } from './profile.ts';

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 });

test('the time of a function is its own over all profiles, as a share of the time in which the program was not idle', () => {
  const nodes = [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('encode', 'file:///clone/.millrace/x/program/core/codec.js') },
    { id: 3, callFrame: frame('', 'file:///clone/node_modules/pg/lib/client.js') },
    { id: 4, callFrame: frame('encode', 'file:///clone/.millrace/x/program/core/codec.js') },
  ];
  const first = { nodes, samples: [1, 2, 3], timeDeltas: [500, 20, 20] };
  const second = { nodes, samples: [4, 4], timeDeltas: [30, 10] };
  expect(selfTimes([first, second])).toEqual([
    { name: 'encode  core/codec.js:10', share: 0.75 },
    { name: '(anonymous)  pg/lib/client.js:10', share: 0.25 },
  ]);
});
