import { createHash } from 'node:crypto';
import type { ClassificationResult, Classifier } from '../../core/calls.ts';

const UNREADABLE = 'unreadable';

/**
 * A classifier for demonstrations and tests: it looks at the address and never at the picture. The category is the path
 * segment after `/classify-as/`, the confidence the parameter `confidence` (0.9 when left out); `/classify-as/unreadable/`
 * is rejected. Any other address gets one of the known categories by its hash, always the same one.
 */
export function createLocalClassifier(options: { readonly categories: readonly string[] }): Classifier {
  return { classify: async ({ imageUrl }) => classifyByAddress(imageUrl, options.categories) };
}

function classifyByAddress(imageUrl: string, categories: readonly string[]): ClassificationResult {
  if (!URL.canParse(imageUrl)) return { kind: 'rejected', reason: 'not_a_url' };
  const url = new URL(imageUrl);
  const asked = /\/classify-as\/([^/]+)/.exec(url.pathname)?.[1];
  if (asked === UNREADABLE) return { kind: 'rejected', reason: UNREADABLE };
  const category = asked === undefined ? byHash(imageUrl, categories) : decoded(asked);
  return category === undefined
    ? { kind: 'rejected', reason: UNREADABLE }
    : { kind: 'classified', category, confidence: confidenceOf(url) };
}

function byHash(text: string, categories: readonly string[]): string | undefined {
  if (categories.length === 0) return undefined;
  return categories[createHash('sha256').update(text).digest().readUInt32BE(0) % categories.length];
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function confidenceOf(url: URL): number {
  const asked = Number(url.searchParams.get('confidence') ?? '0.9');
  return asked >= 0 && asked <= 1 ? asked : 0.9;
}
