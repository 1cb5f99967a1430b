import type { Assistant, CallName, Classifier, ImageProcessor, Notifier } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { REWARDABLE_CATEGORIES, UNREWARDED_CATEGORIES } from '../../processors/waste-categories.ts';
import type { Config } from '../config.ts';
import { uploadedKey } from '../object-store/upload-address.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { CallRunner } from './call-runner.ts';
import { createCallRunner } from './call-runner.ts';
import { createHttpAssistant } from './http-assistant.ts';
import { createHttpClassifier } from './http-classifier.ts';
import { createHttpImageProcessor } from './http-image-processor.ts';
import { createLocalAssistant } from './local-assistant.ts';
import { createLocalClassifier } from './local-classifier.ts';
import { createLocalImageProcessor } from './local-image-processor.ts';
import { createLogNotifier } from './log-notifier.ts';
import { createStoreImageProcessor } from './store-image-processor.ts';
import { createWebhookNotifier } from './webhook-notifier.ts';

const NOTIFICATIONS_MAX = 16;

type CallsConfig = Pick<Config, 'classifier' | 'notifier' | 'assistant' | 'imageProcessor' | 'uploads'>;

export interface OpenCalls {
  readonly runner: CallRunner;
  /** Closes the connections; calls under way are cut, and later ones find their service away. */
  readonly stop: () => Promise<void>;
}

/** Of those that have connections. */
interface Stoppable {
  stop?(): Promise<void>;
}

/** The calls as the configuration names them. Connections are opened by the first call, and end with `stop` or when they are idle. */
export function createCalls(config: CallsConfig, metrics: Metrics, logger: Logger): OpenCalls {
  const classifier = createClassifier(config.classifier);
  const notifier = createNotifier(config.notifier, logger);
  const assistant = createAssistant(config.assistant);
  const imageProcessor = createImageProcessor(config);
  const runner = createCallRunner({
    implementations: {
      classify: (request, context) => classifier.classify(request, context),
      notify: (notification, context) => notifier.notify(notification, context),
      answer: (question, context) => assistant.answer(question, context),
      processImage: (image, context) => imageProcessor.process(image, context),
    },
    concurrencyMax: callConcurrency(config),
    clock: systemClock,
    metrics,
  });
  const stop = async (): Promise<void> => {
    for (const each of [classifier, notifier, assistant, imageProcessor]) await each.stop?.();
  };
  return { runner, stop };
}

/** How many calls of one name run at the same time. */
export function callConcurrency(config: Pick<Config, 'classifier' | 'assistant' | 'imageProcessor'>): Readonly<Record<CallName, number>> {
  return {
    classify: config.classifier.concurrencyMax,
    notify: NOTIFICATIONS_MAX,
    answer: config.assistant.concurrencyMax,
    processImage: config.imageProcessor.concurrencyMax,
  };
}

const CATEGORIES = [...REWARDABLE_CATEGORIES, ...UNREWARDED_CATEGORIES];

function createClassifier({ kind, url, concurrencyMax }: Config['classifier']): Classifier & Stoppable {
  if (kind === 'local') return createLocalClassifier({ categories: CATEGORIES });
  return createHttpClassifier({ url: given(url, 'CLASSIFIER_URL'), connectionsMax: concurrencyMax });
}

function createNotifier({ kind, url, secret }: Config['notifier'], logger: Logger): Notifier & Stoppable {
  if (kind === 'log') return createLogNotifier(logger);
  const receiver = { url: given(url, 'NOTIFIER_URL'), secret: given(secret, 'NOTIFIER_SECRET') };
  return createWebhookNotifier({ ...receiver, connectionsMax: NOTIFICATIONS_MAX, clock: systemClock });
}

function createAssistant({ kind, url, concurrencyMax }: Config['assistant']): Assistant & Stoppable {
  if (kind === 'local') return createLocalAssistant({ categories: CATEGORIES });
  return createHttpAssistant({ url: given(url, 'ASSISTANT_URL'), connectionsMax: concurrencyMax });
}

function createImageProcessor({ imageProcessor, uploads }: Pick<Config, 'imageProcessor' | 'uploads'>): ImageProcessor & Stoppable {
  const { kind, url, concurrencyMax: connectionsMax } = imageProcessor;
  switch (kind) {
    case 'local':
      return createLocalImageProcessor();
    case 'http':
      return createHttpImageProcessor({ url: given(url, 'IMAGE_PROCESSOR_URL'), connectionsMax });
    case 'store': {
      if (uploads === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', 'UPLOAD_ENDPOINT is missing');
      const keyOf = (imageUrl: string): string | undefined => uploadedKey(uploads, imageUrl);
      return createStoreImageProcessor({ store: uploads, keyOf, bytesMax: uploads.bytesMax, connectionsMax, clock: systemClock });
    }
  }
}

function given(setting: string | undefined, name: string): string {
  if (setting === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', `${name} is missing`);
  return setting;
}
