import type { Dependency } from './dependency.ts';
import type { TraceContext } from './trace.ts';

/**
 * A slow external call that a reaction declares. It runs before the reaction's transaction, never inside it, with a
 * deadline and bounded concurrency; it may run twice (a crash between call and commit), so it must be idempotent by its key.
 */
export interface CallContext {
  readonly idempotencyKey: string;
  readonly trace: TraceContext;
  readonly signal: AbortSignal;
}

/** What an image shows, in the words of the classifier. */
export interface Classification {
  readonly category: string;
  /** 0 to 1. */
  readonly confidence: number;
}

/**
 * A classifier answers, or refuses for good (`rejected`: not an image, unreadable), or throws a ClassifiedError:
 * CALL_UNAVAILABLE when it is away (intake waits), CALL_FAILED when it failed on this image (attempts are counted),
 * CALL_NOT_FOUND when that is one of both (what happens to others tells).
 */
export type ClassificationResult =
  ({ readonly kind: 'classified' } & Classification) | { readonly kind: 'rejected'; readonly reason: string };

export interface Classifier {
  classify(
    request: { readonly imageUrl: string; readonly userInput: string | undefined },
    context: CallContext,
  ): Promise<ClassificationResult>;
}

export interface Notification {
  readonly userId: string;
  readonly kind: string;
  readonly title: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** Same promise as the classifier's: `rejected` is for good, the errors are thrown. */
export type NotificationResult = { readonly kind: 'sent' } | { readonly kind: 'rejected'; readonly reason: string };

export interface Notifier {
  notify(notification: Notification, context: CallContext): Promise<NotificationResult>;
}

/** What a user wrote or showed; the service keeps the conversation by its id. */
export interface ChatQuestion {
  readonly sessionId: string;
  readonly messageId: string;
  readonly userId: string;
  /** At least one of the two is set. */
  readonly text: string | undefined;
  readonly imageUrl: string | undefined;
}

/** Same promise as the classifier's: `rejected` is for good, the errors are thrown. */
export type ChatAnswer = { readonly kind: 'answered'; readonly text: string } | { readonly kind: 'rejected'; readonly reason: string };

export interface Assistant {
  answer(question: ChatQuestion, context: CallContext): Promise<ChatAnswer>;
}

/** Where the image can be fetched, and whose it is. */
export interface ImageToProcess {
  readonly imageId: string;
  readonly userId: string;
  readonly imageUrl: string;
}

/** Same promise as the classifier's: `rejected` is for good, the errors are thrown. */
export type ImageProcessingResult = { readonly kind: 'processed' } | { readonly kind: 'rejected'; readonly reason: string };

/** Makes what is derived from an image, or looks whether it is what was announced. */
export interface ImageProcessor {
  process(image: ImageToProcess, context: CallContext): Promise<ImageProcessingResult>;
}

/** The calls that reactions may declare, by name. */
export interface Calls {
  readonly classify: {
    readonly request: { readonly imageUrl: string; readonly userInput: string | undefined };
    readonly result: ClassificationResult;
  };
  readonly notify: { readonly request: Notification; readonly result: NotificationResult };
  readonly answer: { readonly request: ChatQuestion; readonly result: ChatAnswer };
  readonly processImage: { readonly request: ImageToProcess; readonly result: ImageProcessingResult };
}
export type CallName = keyof Calls;

/** What a call needs. */
export const DEPENDENCY_OF_CALL: Readonly<Record<CallName, Dependency>> = {
  classify: 'classifier',
  notify: 'notifier',
  answer: 'assistant',
  processImage: 'image-processor',
};
