import { describe, expect, it } from 'vitest';
import { tellsOfSkippedPublication } from './walsender-connection.ts';

describe('a notice of the server', () => {
  it.each([
    ['as PostgreSQL 18 gives it', { code: '55000', routine: 'LoadPublications' }],
    ['with another SQLSTATE', { code: '01000', routine: 'LoadPublications' }],
    ['out of another function', { code: '55000', routine: 'load_publications' }],
  ])('tells of a skipped publication %s', (_, notice) => {
    expect(tellsOfSkippedPublication(notice)).toBe(true);
  });

  it('tells nothing of a publication otherwise', () => {
    expect(tellsOfSkippedPublication({ code: '01000', routine: 'CheckMyDatabase' })).toBe(false);
    expect(tellsOfSkippedPublication({})).toBe(false);
  });
});
