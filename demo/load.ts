import { Agent, fetch } from 'undici';
import { reconnectDelayMs } from '../core/retry-policy.ts';
import type { DemoPlan, Registration } from './plan.ts';

export interface SentRegistration {
  readonly imageId: string;
  readonly scanId: string;
  readonly traceId: string;
}

export interface LoadProgress {
  accepted: number;
  repeated: number;
  refused: number;
  retries: number;
}

export interface LoadOptions {
  readonly apiUrl: string;
  readonly plan: DemoPlan;
  readonly tokenOf: (userId: string) => Promise<string>;
  /** Users that send at the same time; each sends one registration after the other, so that its order is known. */
  readonly concurrency: number;
  readonly progress: LoadProgress;
  readonly signal: AbortSignal;
}

/**
 * Sends the plan over HTTP. A lost connection, 429 and 5xx are sent again with the same Idempotency-Key, so that nothing
 * is lost and nothing doubled, whatever dies meanwhile.
 * @returns the answers by registration index.
 */
export async function sendRegistrations(options: LoadOptions): Promise<readonly SentRegistration[]> {
  const answers: SentRegistration[] = [];
  const agent = new Agent({ connections: options.concurrency, pipelining: 1, keepAliveTimeout: 30_000 });
  const users = [...options.plan.byUser].values();
  const worker = async (): Promise<void> => {
    for (const [userId, registrations] of users) {
      const token = await options.tokenOf(userId);
      for (const registration of registrations) {
        options.signal.throwIfAborted();
        answers[registration.index] = await sendOne(options, agent, token, registration);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: options.concurrency }, worker));
  } finally {
    await agent.close();
  }
  return answers;
}

async function sendOne(options: LoadOptions, agent: Agent, token: string, registration: Registration): Promise<SentRegistration> {
  const post = (imageUrl: string): Promise<Answer> => postUntilAnswered(options, agent, token, registration.idempotencyKey, imageUrl);
  const first = await post(registration.imageUrl);
  if (first.status !== 202) throw new Error(`registration ${registration.index} was answered with ${first.status}: ${first.title}`);
  options.progress.accepted += 1;
  if (registration.isRepeated) {
    const second = await post(registration.imageUrl);
    if (second.status !== 202 || second.sent.imageId !== first.sent.imageId || second.sent.traceId !== first.sent.traceId) {
      throw new Error(`repeating registration ${registration.index} did not get the first answer again`);
    }
    options.progress.repeated += 1;
  }
  if (registration.isContradicted) {
    const other = await post(`${registration.imageUrl}?other`);
    if (other.status !== 422)
      throw new Error(`another body under the key of registration ${registration.index} was answered with ${other.status}, not 422`);
    options.progress.refused += 1;
  }
  return first.sent;
}

interface Answer {
  readonly status: number;
  readonly title: string;
  readonly sent: SentRegistration;
}

async function postUntilAnswered(options: LoadOptions, agent: Agent, token: string, key: string, imageUrl: string): Promise<Answer> {
  for (let failures = 1; ; failures += 1) {
    options.signal.throwIfAborted();
    let waitMs = reconnectDelayMs(failures, Math.random(), 50, 2_000);
    try {
      const response = await fetch(`${options.apiUrl}/api/v1/images/register`, {
        method: 'POST',
        dispatcher: agent,
        signal: AbortSignal.any([options.signal, AbortSignal.timeout(30_000)]),
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ cdn_url: imageUrl }),
      });
      const body = (await response.json()) as { image_id?: string; scan_id?: string; trace_id?: string; title?: string };
      if (response.status !== 429 && response.status < 500) {
        const sent = { imageId: body.image_id ?? '', scanId: body.scan_id ?? '', traceId: body.trace_id ?? '' };
        return { status: response.status, title: body.title ?? '', sent };
      }
      waitMs = Math.max(waitMs, Number(response.headers.get('retry-after') ?? 0) * 1_000);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof TypeError || (error instanceof Error && ['TimeoutError', 'AbortError', 'SyntaxError'].includes(error.name))))
        throw error;
    }
    options.progress.retries += 1;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
