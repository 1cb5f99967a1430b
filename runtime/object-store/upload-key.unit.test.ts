import { describe, expect, it } from 'vitest';
import { readUploadKey, uploadKey } from './upload-key.ts';

const SECRET = 'the secret of the store';
const upload = { userId: 'ada', imageId: '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001', expiresAtMs: 1_800_000_000_000, ending: 'jpg' };
const key = uploadKey(SECRET, upload);

describe('the key of an upload', () => {
  it('says what was granted, and nothing of the user', () => {
    expect(key).toMatch(/^uploads\/5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001\/1800000000-[\w-]{22}\.jpg$/);
    expect(key).not.toContain('ada');
    expect(readUploadKey(SECRET, key, 'ada')).toEqual(upload);
  });

  it('is of no use to another user, or under another secret', () => {
    expect(readUploadKey(SECRET, key, 'bob')).toBeUndefined();
    expect(readUploadKey('another secret', key, 'ada')).toBeUndefined();
  });

  it.each([
    ['another image', key.replace('b001/', 'b002/')],
    ['a later end', key.replace('1800000000', '1900000000')],
    ['another ending', key.replace(/jpg$/, 'png')],
    ['another seal', key.replace(/-.{22}\.jpg$/, `-${'A'.repeat(22)}.jpg`)],
    ['something before it', `../${key}`],
    ['something behind it', `${key}\n`],
    ['upper case', key.toUpperCase()],
    ['nothing', ''],
  ])('does not pass with %s', (_name, changed) => {
    expect(readUploadKey(SECRET, changed, 'ada')).toBeUndefined();
  });
});
