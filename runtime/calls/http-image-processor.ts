import type { ImageProcessor } from '../../core/calls.ts';
import { answeredOrRejected } from './classify-http-answer.ts';
import { createJsonPost } from './json-post.ts';

/**
 * A service behind HTTP that makes what is derived from an image: `POST {image_id, user_id, image_url}` with an idempotency key
 * and the trace. It answers when the derived forms are there; what it says beyond the status is not read.
 */
export function createHttpImageProcessor(options: {
  readonly url: string;
  readonly connectionsMax: number;
}): ImageProcessor & { stop(): Promise<void> } {
  const http = createJsonPost({ ...options, what: 'the image processor' });
  return {
    process: async ({ imageId, userId, imageUrl }, context) => {
      const { status } = await http.post(JSON.stringify({ image_id: imageId, user_id: userId, image_url: imageUrl }), context);
      return answeredOrRejected(status, 'the image processor') === 'rejected'
        ? { kind: 'rejected', reason: `image_processor_refused_${status}` }
        : { kind: 'processed' };
    },
    stop: () => http.stop(),
  };
}
