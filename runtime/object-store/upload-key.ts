import { createHmac, timingSafeEqual } from 'node:crypto';

/** The formats of images that can be uploaded, with the endings of their files; the first one is used. */
export const UPLOAD_FORMATS: Readonly<Record<string, readonly string[]>> = {
  'image/jpeg': ['jpg', 'jpeg'],
  'image/png': ['png'],
  'image/webp': ['webp'],
  'image/gif': ['gif'],
  'image/heic': ['heic'],
  'image/heif': ['heif'],
  'image/avif': ['avif'],
};

export interface Upload {
  readonly userId: string;
  /** The image that it becomes: of two registrations with one key the second finds it registered. */
  readonly imageId: string;
  /** Milliseconds since 1970, whole seconds. */
  readonly expiresAtMs: number;
  /** The ending of its file. */
  readonly ending: string;
}

const FOLDER = 'uploads';
const KEY = /^uploads\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/(\d{10})-([\w-]{22})\.([a-z]{3,4})$/;

/**
 * The object key of an upload, which says itself what was granted: the image's id, until when, and a seal that binds them to
 * the user. So nothing has to be remembered until it is registered, and no store but the domain's own has to be there for that.
 */
export function uploadKey(secret: string, { userId, imageId, expiresAtMs, ending }: Upload): string {
  const until = Math.floor(expiresAtMs / 1000).toString();
  return `${FOLDER}/${imageId}/${until}-${seal(secret, [userId, imageId, until, ending])}.${ending}`;
}

/** Undefined for what is no key that was granted to the user; an expired one is read as any other. */
export function readUploadKey(secret: string, key: string, userId: string): Upload | undefined {
  const [, imageId, until, shown, ending] = KEY.exec(key) ?? [];
  if (imageId === undefined || until === undefined || shown === undefined || ending === undefined) return undefined;
  const wanted = seal(secret, [userId, imageId, until, ending]);
  if (!timingSafeEqual(Buffer.from(shown), Buffer.from(wanted))) return undefined;
  return { userId, imageId, expiresAtMs: Number(until) * 1000, ending };
}

/** 132 bits. User ids hold no line breaks. */
function seal(secret: string, parts: readonly string[]): string {
  return createHmac('sha256', secret)
    .update(['millrace upload', ...parts].join('\n'))
    .digest('base64url')
    .slice(0, 22);
}
