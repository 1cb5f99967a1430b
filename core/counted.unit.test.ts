import { expect, it } from 'vitest';
import { agrees, counted } from './counted.ts';

it('counts one thing and several as a person would say it', () => {
  expect([0, 1, 2, 1n].map((number) => counted(number, 'letter'))).toEqual(['0 letters', '1 letter', '2 letters', '1 letter']);
  expect([1, 2].map((number) => agrees(number, 'is', 'are'))).toEqual(['is', 'are']);
});
