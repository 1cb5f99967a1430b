import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { UploadStore } from '../runtime/config.ts';
import { presignedUrl } from '../runtime/object-store/presigned-url.ts';
import { uploadAddress } from '../runtime/object-store/upload-address.ts';
import { readUploadKey, UPLOAD_FORMATS, uploadKey } from '../runtime/object-store/upload-key.ts';
import type { Uploads } from './ports.ts';

const PENDING_SECONDS = 15 * 60;

/** Uploads to a store that is not asked for any of this: the URL is signed here, and the key says by itself what was granted. */
export function composeUploads(store: UploadStore, clock: Clock): Uploads {
  return {
    formats: UPLOAD_FORMATS,
    bytesMax: store.bytesMax,
    async grant({ userId, contentType, ending, bytes }) {
      const nowMs = Math.floor(clock.nowMs() / 1000) * 1000;
      const expiresAtMs = nowMs + PENDING_SECONDS * 1000;
      const key = uploadKey(store.secretAccessKey, { userId, imageId: randomUUID(), expiresAtMs, ending });
      const headers = { 'content-type': contentType, ...(bytes === undefined ? {} : { 'content-length': bytes.toString() }) };
      const uploadUrl = await presignedUrl(store, { method: 'PUT', key, headers, expiresInSeconds: PENDING_SECONDS, nowMs });
      return { uploadUrl, key, expiresAt: new Date(expiresAtMs).toISOString(), headers };
    },
    read(key, userId) {
      const upload = readUploadKey(store.secretAccessKey, key, userId);
      if (upload === undefined) return undefined;
      return { imageId: upload.imageId, cdnUrl: uploadAddress(store, key), expired: clock.nowMs() >= upload.expiresAtMs };
    },
  };
}
