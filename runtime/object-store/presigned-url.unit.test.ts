import { describe, expect, it } from 'vitest';
import type { ObjectStore } from './presigned-url.ts';
import { objectUrl, presignedUrl } from './presigned-url.ts';

/** The example of the reference "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)". */
const PUBLISHED: ObjectStore = {
  endpoint: 'https://s3.amazonaws.com',
  bucket: 'examplebucket',
  region: 'us-east-1',
  pathStyle: false,
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const nowMs = Date.UTC(2013, 4, 24);
const store: ObjectStore = { ...PUBLISHED, endpoint: 'http://store.example:9000/', pathStyle: true };
const put = { method: 'PUT', key: 'uploads/1.jpg', expiresInSeconds: 900, nowMs } as const;

describe('a presigned URL', () => {
  it('has the signature that AWS publishes for its own example', async () => {
    const url = await presignedUrl(PUBLISHED, { method: 'GET', key: 'test.txt', expiresInSeconds: 86_400, nowMs });
    const { origin, pathname, searchParams } = new URL(url);
    expect([origin, pathname]).toEqual(['https://examplebucket.s3.amazonaws.com', '/test.txt']);
    expect(Object.fromEntries(searchParams)).toEqual({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request',
      'X-Amz-Date': '20130524T000000Z',
      'X-Amz-Expires': '86400',
      'X-Amz-SignedHeaders': 'host',
      'X-Amz-Signature': 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    });
  });

  it('names the headers that the upload must send, and is another one for other values of them', async () => {
    const headers = { 'content-type': 'image/jpeg', 'content-length': '1024' };
    const url = await presignedUrl(store, { ...put, headers });
    expect(new URL(url).searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host');
    const signatures = await Promise.all(
      [headers, { ...headers, 'content-type': 'image/png' }, { ...headers, 'content-length': '1025' }].map(async (each) =>
        new URL(await presignedUrl(store, { ...put, headers: each })).searchParams.get('X-Amz-Signature'),
      ),
    );
    expect(new Set(signatures).size).toBe(3);
  });

  it('holds the key that signs by its name, and never its secret', async () => {
    const url = await presignedUrl(store, put);
    expect(url).toContain(store.accessKeyId);
    expect(decodeURIComponent(url)).not.toContain(store.secretAccessKey);
  });
});

describe('the address of an object', () => {
  it.each([
    [store, 'a/b c+d.jpg', 'http://store.example:9000/examplebucket/a/b%20c%2Bd.jpg'],
    [{ ...store, endpoint: 'https://host.example/s3' }, '1.jpg', 'https://host.example/s3/examplebucket/1.jpg'],
    [PUBLISHED, 'a/1.jpg', 'https://examplebucket.s3.amazonaws.com/a/1.jpg'],
  ])('has the bucket where the store wants it', (at, key, url) => {
    expect(objectUrl(at, key)).toBe(url);
  });
});
