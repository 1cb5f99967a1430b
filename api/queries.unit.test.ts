import type { InjectOptions } from 'fastify';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import { apiHarness } from '../test/support/api-harness.ts';
import { calendarStarts } from './calendar-starts.ts';

const { app, as, ports, clock } = apiHarness();
beforeEach(() => {
  ports.failure = undefined;
});
afterAll(() => app.close());

const get = (path: string): InjectOptions => ({ method: 'GET', url: `/api/v1${path}` });
const ID = '06C96F3E-3B4C-577C-92F2-DE80DADBC662';
const petri = {
  ...{ id: ID.toLowerCase(), name: '페트리 (Petri)', description: 'Squeezes itself flat.' },
  ...{ category: 'pet-bottle', level: 0, evolves_from: null },
};
ports.catalogue = [
  petri,
  { ...petri, id: '04ea44ed-375b-5e2d-b75d-89d3b6d95266', name: 'King Petri', category: null, level: 1, evolves_from: petri.id },
];

describe('the catalogue of characters', () => {
  it('shows a character by its id, however that is written', async () => {
    expect((await as('ada', get(`/characters/${ID}`))).json()).toEqual(petri);
  });

  it('does not have every character', async () => {
    const answer = await as('ada', get('/characters/5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001'));
    expect([answer.statusCode, answer.json().type]).toEqual([404, 'urn:millrace:problem:resource-not-found']);
  });

  it('is searched by a text, up to a limit', async () => {
    const found = async (query: string) => (await as('ada', get(`/characters/search?${query}`))).json().characters as unknown[];
    expect(await found('q=Petri')).toEqual(ports.catalogue);
    expect(await found('q=Petri&limit=1')).toHaveLength(1);
    expect(await found(`q=${encodeURIComponent('페트')}`)).toEqual([petri]);
    expect(await found('q=nobody')).toEqual([]);
  });

  it.each([
    ['no text', '/characters/search', 'q'],
    ['an empty text', '/characters/search?q=', 'q'],
    ['65 characters', `/characters/search?q=${'a'.repeat(65)}`, 'q'],
    ['a null character', '/characters/search?q=a%00', 'q'],
    ['two texts', '/characters/search?q=a&q=b', 'q'],
    ['a limit of 101', '/characters/search?q=a&limit=101', 'limit'],
    ['an id that is none', '/characters/petri', 'id'],
  ])('cannot be asked with %s', async (_name, path, field) => {
    const answer = await as('ada', get(path));
    expect([answer.statusCode, answer.json().errors]).toEqual([400, [{ field, message: expect.any(String) }]]);
  });
});

describe('the profiles of others', () => {
  it('are found by how the id of their user begins, without preferences', async () => {
    const answer = await as('bob', get('/profiles/search?q=ada'));
    expect(answer.json()).toEqual({
      profiles: ['ada', 'adam'].map((user_id) => ({ user_id, total_characters: 1, last_character: null })),
    });
    expect((await as('bob', get('/profiles/search?q=ada&limit=1'))).json().profiles).toHaveLength(1);
  });

  it.each(['', 'q=', 'q=a', 'q=a%25', `q=${'a'.repeat(65)}`, 'q=ada&name=x'])('are not found by %j', async (query) => {
    expect((await as('bob', get(`/profiles/search?${query}`))).statusCode).toBe(400);
  });
});

describe('the counts of scans', () => {
  it("are by the pipeline's calendar", async () => {
    const answer = await as('ada', get('/scans/stats'));
    expect(answer.json()).toEqual({ today: 1, week: 2, month: 3, time_zone: 'Asia/Seoul' });
    expect(answer.headers['x-read-source']).toBe('read-model');
    expect(ports.statsSince).toEqual([calendarStarts(clock.nowMs(), 'Asia/Seoul')]);
  });

  it('are not there while nobody can count', async () => {
    ports.failure = new ClassifiedError('POSTGRES_UNAVAILABLE', 'away');
    expect((await as('ada', get('/scans/stats'))).statusCode).toBe(503);
  });
});
