import type { ObjectStore } from './presigned-url.ts';
import { objectUrl } from './presigned-url.ts';

export interface UploadsAt extends ObjectStore {
  /** Base under which the objects are read; undefined: where they were uploaded. */
  readonly cdnUrl: string | undefined;
}

/** Where everybody reads the upload. Its key is made of characters that stand for themselves. */
export function uploadAddress(at: UploadsAt, key: string): string {
  return at.cdnUrl === undefined ? objectUrl(at, key) : `${at.cdnUrl.replace(/\/+$/, '')}/${key}`;
}

/** The object's key, when this is the address of an upload. */
export function uploadedKey(at: UploadsAt, url: string): string | undefined {
  const base = uploadAddress(at, '');
  const key = url.slice(base.length);
  return url.startsWith(base) && /^uploads(\/[\w-]+)+\.[a-z]+$/.test(key) ? key : undefined;
}
