import { describe, expect, it } from 'vitest';
import { CATALOGUE } from './catalogue.ts';
import { SCHEMAS } from './generated/events.ts';

const THIRTY_DAYS_MS = 30 * 86_400_000;

describe('the catalogue', () => {
  it('routes every event as the specification says', () => {
    const routes = [...CATALOGUE.values()].map(({ type, route, keyField, partitions }) => `${type} ${route} ${keyField} ${partitions}`);
    expect(routes.join('\n')).toMatchInlineSnapshot(`
      "ImageRegistered image.registered user_id 3
      ImageProcessed image.processed user_id 3
      ImageDeleted image.deleted user_id 3
      ScanRequested scan.requested user_id 6
      ScanCompleted scan.completed user_id 6
      ScanFailed scan.failed user_id 3
      ScanRewardCompensated scan.reward_compensated user_id 3
      CharacterAcquired character.acquired user_id 3
      CharacterAcquireFailed character.acquire_failed user_id 3
      CharacterLost character.lost user_id 3
      CharacterEvolved character.evolved user_id 3
      ProfileUpdated my.profile_updated user_id 3
      PreferencesChanged my.preferences_changed user_id 3
      UserRegistered auth.user_registered user_id 3
      UserLoggedIn auth.user_logged_in user_id 3
      UserLoggedOut auth.user_logged_out user_id 3
      PermissionChanged auth.permission_changed user_id 3
      ConversationStarted chat.conversation_started session_id 3
      MessagePosted chat.message_posted session_id 3
      ChatResponded chat.responded session_id 3
      ConversationEnded chat.conversation_ended session_id 3"
    `);
  });

  it('keeps every event for thirty days', () => {
    for (const { retentionMs } of CATALOGUE.values()) expect(retentionMs).toBe(THIRTY_DAYS_MS);
  });

  it('and the schemas name the same events', () => {
    expect([...CATALOGUE.keys()].sort()).toEqual(Object.keys(SCHEMAS).sort());
  });

  it('places every event in the namespace of its domain, with its key as a text that must be written', () => {
    for (const { type, domain, keyField } of CATALOGUE.values()) {
      const { latest } = SCHEMAS[type as keyof typeof SCHEMAS];
      expect(latest).toMatchObject({ name: type, namespace: `eco2.${domain}` });
      const key = latest.fields.find((field) => field.name === keyField);
      expect(key?.type).toBe('string');
      expect(key).not.toHaveProperty('default');
    }
  });
});
