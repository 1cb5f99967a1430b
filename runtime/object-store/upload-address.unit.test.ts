import { describe, expect, it } from 'vitest';
import { uploadAddress, uploadedKey } from './upload-address.ts';
import { uploadKey } from './upload-key.ts';

const store = {
  endpoint: 'https://store.example',
  bucket: 'images',
  region: 'us-east-1',
  pathStyle: true,
  accessKeyId: 'key',
  secretAccessKey: 'secret',
};
const imageId = '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
const key = uploadKey('secret', { userId: 'ada', imageId, expiresAtMs: 1_800_000_000_000, ending: 'jpg' });

describe('the address of an upload', () => {
  it.each([
    [undefined, `https://store.example/images/${key}`],
    ['https://cdn.example', `https://cdn.example/${key}`],
    ['https://cdn.example/uploads/', `https://cdn.example/uploads/${key}`],
  ])('leads back to its key (read at %s)', (cdnUrl, address) => {
    expect(uploadAddress({ ...store, cdnUrl }, key)).toBe(address);
    expect(uploadedKey({ ...store, cdnUrl }, address)).toBe(key);
  });

  it('is no address of another place, or of something else there', () => {
    const at = { ...store, cdnUrl: 'https://cdn.example' };
    for (const url of [`https://other.example/${key}`, 'https://cdn.example/uploads/../secret.jpg', `https://cdn.example/${key}?x=1`, '']) {
      expect(uploadedKey(at, url)).toBeUndefined();
    }
  });
});
