import { createRequire } from 'node:module';
import type * as undici from 'undici';
import type { ImageProcessor } from '../../core/calls.ts';
import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ObjectStore } from '../object-store/presigned-url.ts';
import { presignedUrl } from '../object-store/presigned-url.ts';
import { httpVerdict } from './classify-http-answer.ts';

const load = createRequire(import.meta.url);

const CONNECT_TIMEOUT_MS = 5_000;
const SIGNED_FOR_SECONDS = 60;

export interface StoreImageProcessorOptions {
  readonly store: ObjectStore;
  /** The object's key, when the address is one of the uploads. */
  readonly keyOf: (imageUrl: string) => string | undefined;
  readonly bytesMax: number;
  readonly connectionsMax: number;
  readonly clock: Clock;
}

/**
 * Looks into the store whether an uploaded image is there, is an image, and is no larger than it may be: a presigned upload
 * binds its content type, and its length only when the client told it beforehand. Images that lie elsewhere are not its business.
 */
export function createStoreImageProcessor(options: StoreImageProcessorOptions): ImageProcessor & { stop(): Promise<void> } {
  const { store, keyOf, bytesMax, clock } = options;
  // Only now: a process that calls nobody starts sooner without the library.
  const { Agent, request } = load('undici') as typeof undici;
  const agent = new Agent({ connections: options.connectionsMax, connect: { timeout: CONNECT_TIMEOUT_MS } });
  const ask = async (key: string, signal: AbortSignal): Promise<Head> => {
    const url = await presignedUrl(store, { method: 'HEAD', key, expiresInSeconds: SIGNED_FOR_SECONDS, nowMs: clock.nowMs() });
    return head(request(url, { method: 'HEAD', dispatcher: agent, signal }), signal);
  };
  /** To a question without a body "no such bucket", "no such object" and a wrong endpoint are one answer. @throws ClassifiedError */
  const findBucket = async (signal: AbortSignal): Promise<void> => {
    const { status } = await ask('', signal);
    if (status === 404) throw new ClassifiedError('CALL_UNAVAILABLE', 'the store answered 404 for its bucket: check endpoint and bucket');
    if (httpVerdict(status) === 'failed') throw new ClassifiedError('CALL_FAILED', `the store answered ${status} for its bucket`);
    // Whoever may not look at a bucket is told so by one that is there.
    if (status !== 403 && httpVerdict(status) === 'unavailable') {
      throw new ClassifiedError('CALL_UNAVAILABLE', `the store answered ${status} for its bucket`);
    }
  };
  return {
    process: async ({ imageUrl }, { signal }) => {
      const key = keyOf(imageUrl);
      if (key === undefined) return { kind: 'rejected', reason: 'not_in_the_store' };
      const { status, type, bytes } = await ask(key, signal);
      if (status === 404) {
        await findBucket(signal);
        return { kind: 'rejected', reason: 'not_uploaded' };
      }
      // Of a key that may not list the bucket, a store answers so for what is missing: that is this image's failure, not an outage.
      const verdict = status === 403 ? 'failed' : httpVerdict(status);
      if (verdict === 'unavailable') throw new ClassifiedError('CALL_UNAVAILABLE', `the store answered ${status}`);
      if (verdict !== 'answered') throw new ClassifiedError('CALL_FAILED', `the store answered ${status}`);
      if (!type.startsWith('image/')) return { kind: 'rejected', reason: 'not_an_image' };
      if (bytes > bytesMax) return { kind: 'rejected', reason: 'too_large' };
      return bytes > 0 ? { kind: 'processed' } : { kind: 'rejected', reason: 'empty' };
    },
    stop: async () => {
      await agent.destroy();
    },
  };
}

interface Head {
  readonly status: number;
  readonly type: string;
  readonly bytes: number;
}

async function head(asked: Promise<undici.Dispatcher.ResponseData>, signal: AbortSignal): Promise<Head> {
  try {
    const { statusCode, headers, body } = await asked;
    await body.dump();
    const text = (value: string | string[] | undefined): string => (typeof value === 'string' ? value : '');
    return { status: statusCode, type: text(headers['content-type']), bytes: Number(text(headers['content-length'])) || 0 };
  } catch (error) {
    signal.throwIfAborted();
    throw new ClassifiedError('CALL_UNAVAILABLE', 'the store gave no answer', { cause: error });
  }
}
