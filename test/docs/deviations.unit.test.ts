import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { RouteOptions } from 'fastify';
import { buildApi } from '../../api/create-api.ts';
import type { EventType } from '../../schemas/generated/events.ts';
import { SCHEMAS } from '../../schemas/generated/events.ts';
import { apiOptions, capturedDependencies } from '../support/api-harness.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/deviations.md'), 'utf8');
const section = (number: number): string => text.split(/^## /m).find((each) => each.startsWith(`${number}. `)) ?? '';
const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

/** The payloads as the design lists them. */
const DESIGNED: Readonly<Record<EventType, string>> = {
  ImageRegistered: 'image_id user_id cdn_url',
  ImageProcessed: 'image_id user_id',
  ImageDeleted: 'image_id user_id',
  ScanRequested: 'scan_id user_id image_id image_url user_input',
  ScanCompleted: 'scan_id user_id category reward_eligible confidence version',
  ScanFailed: 'scan_id user_id reason',
  ScanRewardCompensated: 'scan_id user_id reason',
  CharacterAcquired: 'user_id character_id character_name source source_id',
  CharacterAcquireFailed: 'user_id scan_id reason',
  CharacterLost: 'user_id character_id reason',
  CharacterEvolved: 'user_id from_character_id to_character_id evolution_level',
  ProfileUpdated: 'user_id total_characters',
  PreferencesChanged: 'user_id changes',
  UserRegistered: 'user_id provider email_hash',
  UserLoggedIn: 'user_id session_id ip_hash user_agent',
  UserLoggedOut: 'user_id jti expires_at',
  PermissionChanged: 'user_id granted revoked',
  ConversationStarted: 'session_id user_id',
  MessagePosted: 'session_id message_id user_id kind text image_url',
  ChatResponded: 'session_id message_id reply_to text',
  ConversationEnded: 'session_id reason',
};

it('every field that an event has beyond the design is named, with the fields that must be written', () => {
  const named = section(2)
    .split('\n')
    .map((line) => /^\| ([A-Z][\w, ]+?) +\| (.*?) +\|/.exec(line))
    .flatMap((row) => (row === null ? [] : (row[1] ?? '').split(', ').map((event) => [event, row[2] ?? ''] as const)));
  const here = Object.entries(SCHEMAS).flatMap(([event, { latest }]) => {
    const beyond = latest.fields.filter(({ name }) => !DESIGNED[event as EventType].split(' ').includes(name));
    return beyond.length === 0 ? [] : [[event, beyond] as const];
  });
  const fieldsNamed = Object.fromEntries(named.map(([event, cell]) => [event, quoted(cell).sort()]));
  expect(fieldsNamed).toEqual(Object.fromEntries(here.map(([event, beyond]) => [event, beyond.map(({ name }) => name).sort()])));
  const always = named.flatMap(([event, cell]) => [...cell.matchAll(/`(\w+)` \(\*always\*\)/g)].map(([, field]) => `${event}.${field}`));
  const required = here.flatMap(([event, beyond]) =>
    beyond.filter((field) => field.default === undefined).map(({ name }) => `${event}.${name}`),
  );
  expect(always).toEqual(required);
});

it('every event has the fields of the design', () => {
  for (const [event, fields] of Object.entries(DESIGNED)) {
    expect(
      SCHEMAS[event as EventType].latest.fields.map(({ name }) => name),
      event,
    ).toEqual(expect.arrayContaining(fields.split(' ')));
  }
});

it('the routes that are said to be missing are, and those beyond the design are there', async () => {
  const routes = new Set<string>();
  const app = buildApi(capturedDependencies().dependencies, apiOptions(), () => false);
  app.addHook('onRoute', ({ method, url }: RouteOptions) => {
    for (const one of [method].flat()) routes.add(`${one} ${url.replace('/api/v1', '').replaceAll(/:(\w+)/g, '{$1}')}`);
  });
  await app.ready();
  const [missing = [], beyond = []] = ['Not there, and', 'There beyond the design'].map((words) =>
    quoted(
      section(5)
        .split('\n')
        .find((line) => line.startsWith(words)),
    ),
  );
  expect(missing).toHaveLength(5);
  expect(missing.filter((route) => routes.has(route))).toEqual([]);
  expect(beyond.length).toBeGreaterThan(0);
  expect(beyond.filter((route) => !routes.has(route))).toEqual([]);
  await app.close();
});
