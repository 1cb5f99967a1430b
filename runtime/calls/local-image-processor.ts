import type { ImageProcessor } from '../../core/calls.ts';

/**
 * For demonstrations and tests: it looks at the address and never at the picture, and makes nothing. An address under
 * `/classify-as/unreadable/`, which the local classifier cannot read either, is rejected; any other one counts as processed.
 */
export function createLocalImageProcessor(): ImageProcessor {
  return {
    process: async ({ imageUrl }) =>
      imageUrl.includes('/classify-as/unreadable/') ? { kind: 'rejected', reason: 'unreadable' } : { kind: 'processed' },
  };
}
