import type { Classifier, Notifier } from '../../core/calls.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { REWARDABLE_CATEGORIES, UNREWARDED_CATEGORIES } from '../../processors/waste-categories.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { CallRunner } from './call-runner.ts';
import { createCallRunner } from './call-runner.ts';
import { createHttpClassifier } from './http-classifier.ts';
import { createLocalClassifier } from './local-classifier.ts';
import { createLogNotifier } from './log-notifier.ts';
import { createWebhookNotifier } from './webhook-notifier.ts';

const NOTIFICATIONS_MAX = 16;

/** The calls as the configuration names them. Connections are opened by the first call and end when they are idle. */
export function createCalls(config: Pick<Config, 'classifier' | 'notifier'>, metrics: Metrics, logger: Logger): CallRunner {
  const classifier = createClassifier(config.classifier);
  const notifier = createNotifier(config.notifier, logger);
  return createCallRunner({
    implementations: {
      classify: (request, context) => classifier.classify(request, context),
      notify: (notification, context) => notifier.notify(notification, context),
    },
    concurrencyMax: { classify: config.classifier.concurrencyMax, notify: NOTIFICATIONS_MAX },
    clock: systemClock,
    metrics,
  });
}

function createClassifier({ kind, url, concurrencyMax }: Config['classifier']): Classifier {
  if (kind === 'http' && url !== undefined) return createHttpClassifier({ url, connectionsMax: concurrencyMax });
  return createLocalClassifier({ categories: [...REWARDABLE_CATEGORIES, ...UNREWARDED_CATEGORIES] });
}

function createNotifier({ kind, url, secret }: Config['notifier'], logger: Logger): Notifier {
  if (kind === 'webhook' && url !== undefined && secret !== undefined) {
    return createWebhookNotifier({ url, secret, connectionsMax: NOTIFICATIONS_MAX, clock: systemClock });
  }
  return createLogNotifier(logger);
}
