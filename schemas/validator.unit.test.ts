import { describe, expect, it } from 'vitest';
import { createPayloadValidator } from './validator.ts';

const validator = createPayloadValidator();
const scan = { scan_id: 's1', user_id: 'u1', category: 'paper' };

function faultOf(type: string, payload: unknown): { code: string; message: string } | undefined {
  try {
    validator.validate(type, payload);
    return undefined;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
}

describe('a payload', () => {
  it.each([
    ['with every field', { ...scan, reward_eligible: true, confidence: 0.9, version: '2.0' }],
    ['without the fields that have a default', scan],
    ['with a null where the schema allows it', { ...scan, confidence: null }],
    ['with an optional field left undefined, as JSON would leave it out', { ...scan, confidence: undefined }],
    ['with text beyond the basic plane', { ...scan, category: '종이 📦' }],
  ])('%s is valid', (_, payload) => {
    expect(faultOf('ScanCompleted', payload)).toBeUndefined();
  });

  it.each([
    ['ScanCompleted', { ...scan, confidence: 'very' }, 'confidence is not null or double'],
    ['ScanCompleted', { ...scan, confidence: { double: 0.5 } }, 'confidence is not null or double'],
    ['ScanCompleted', { ...scan, confidence: Number.NaN }, 'confidence is not a finite number'],
    ['ScanCompleted', { ...scan, confidence: Infinity }, 'confidence is not a finite number'],
    ['ScanCompleted', { ...scan, reward_eligible: null }, 'reward_eligible is not boolean'],
    ['ScanCompleted', { ...scan, colour: 'red' }, 'colour is not a field of the event'],
    ['ScanCompleted', { scan_id: 's1', user_id: 'u1' }, 'category is missing'],
    ['ScanCompleted', { ...scan, category: 'a\0b' }, 'category holds text that cannot be stored'],
    ['ScanCompleted', { ...scan, category: 'a\ud800b' }, 'category holds text that cannot be stored'],
    ['ScanCompleted', { ...scan, user_id: '' }, 'user_id is the record key and must not be empty'],
    ['ScanCompleted', { ...scan, user_id: 'u'.repeat(65) }, 'user_id is the record key and longer than 64 characters'],
    ['ScanCompleted', null, 'the payload is not an object'],
    ['ScanCompleted', [scan], 'the payload is not an object'],
    ['ScanCompleted', 'text', 'the payload is not an object'],
    ['ProfileUpdated', { user_id: 'u1', total_characters: 1.5 }, 'total_characters is not int'],
    ['ProfileUpdated', { user_id: 'u1', total_characters: 3_000_000_000 }, 'total_characters is not int'],
    [
      'CharacterAcquired',
      { user_id: 'u1', character_id: 'c', character_name: 'n', source: 'gift' },
      'source is not one of scan, event, purchase',
    ],
    ['PermissionChanged', { user_id: 'u1', granted: ['a', 1], revoked: [] }, 'granted.1 is not string'],
    ['PreferencesChanged', { user_id: 'u1', changes: { theme: 1 } }, 'changes.theme is not null or string'],
    ['PreferencesChanged', { user_id: 'u1', changes: { 'a\0': 'x' } }, 'changes holds a name that cannot be stored'],
    [
      'MessagePosted',
      { session_id: '', message_id: 'm', user_id: 'u', kind: 'text' },
      'session_id is the record key and must not be empty',
    ],
  ])('of %s is refused with the path of its field: %#', (type, payload, fault) => {
    expect(faultOf(type, payload)).toEqual({ code: 'PAYLOAD_INVALID', message: `${type}: ${fault}` });
  });

  it('never shows a value in the message', () => {
    const secret = 'a-secret-that-must-not-be-logged';
    const payloads = [
      { ...scan, confidence: secret },
      { ...scan, category: `${secret}\0` },
      { ...scan, user_id: `${secret}${secret}${secret}` },
      { ...scan, extra: secret },
    ];
    for (const payload of payloads) expect(faultOf('ScanCompleted', payload)?.message).not.toContain(secret);
  });

  it('keeps an unknown name in the message short and on one line', () => {
    expect(faultOf('ScanCompleted', { ...scan, [`a\nb${'c'.repeat(1_000)}`]: 1 })?.message.length).toBeLessThan(130);
    expect(faultOf('ScanCompleted', { ...scan, 'a\nb': 1 })?.message).toBe('ScanCompleted: a?b is not a field of the event');
  });

  it('of an event that nobody declares is refused', () => {
    expect(faultOf('ImageRotated', {})).toEqual({ code: 'EVENT_UNKNOWN', message: 'event ImageRotated has no schema' });
    expect(faultOf('constructor', {})?.code).toBe('EVENT_UNKNOWN');
  });
});

describe('a validator', () => {
  it('is not made for an event without a schema', () => {
    const events = new Map([['A', { type: 'A', domain: 'a', route: 'a.a', keyField: 'id', partitions: 1, retentionMs: 1 }]]);
    expect(() => createPayloadValidator(events, {})).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
  });
});
