import { randomUUID } from 'node:crypto';
import { setImmediate as tick } from 'node:timers/promises';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { buildApi } from '../../api/create-api.ts';
import type { ApiDependencies, ApiOptions } from '../../api/create-api.ts';
import { developmentToken } from '../../api/development-token.ts';
import type {
  Accounts,
  CommandOutcome,
  CommandRequest,
  DeadLetterQueues,
  ReprocessRequest,
  Revocations,
  Commands,
  Tokens,
} from '../../api/ports.ts';
import type {
  CalendarStarts,
  CatalogueCharacter,
  ChatMessage,
  Conversation,
  PageQuery,
  FinishedScan,
  RecentImage,
  Scan,
  ScansQuery,
  ScanTask,
  WeeklyRankingQuery,
} from '../../api/query-ports.ts';
import type { TokenOptions } from '../../api/verify-token.ts';
import type { Revocation } from '../../core/access-token.ts';
import type { Clock } from '../../core/clock.ts';
import type { HealthSource } from '../../core/lifecycle.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { TraceContext } from '../../core/trace.ts';

/** Of one queue, beyond which they are not put in order. */
const LETTERS_MAX = 100_000;

export const SECRET = 'a secret of a developer, 32 bytes or more';
export const AUTH: TokenOptions = { issuer: 'millrace', audience: 'millrace', keys: { kind: 'development-secret', secret: SECRET } };

export interface LogLine extends LogFields {
  readonly level: string;
  readonly message: string;
}

/** Keeps every line, with the fields of its ancestors; an error counts as everything that it could print. */
export function captureLogger(lines: LogLine[], base: LogFields = {}): Logger {
  const write = (level: string) => (fields: LogFields, message: string, error?: unknown) => {
    const failure = error instanceof Error ? { failure: `${error.name} ${error.message}` } : {};
    lines.push({ ...base, ...fields, ...failure, level, message });
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => captureLogger(lines, { ...base, ...fields }),
  };
}

/** A clock that stands still until it is turned; sleepers wake when their time has come. */
export class HandClock implements Clock {
  private ms = 1_800_000_000_000;
  private readonly sleepers = new Set<{ readonly atMs: number; wake(): void }>();

  nowMs(): number {
    return this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { atMs: this.ms + ms, wake: resolve };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.sleepers.delete(sleeper);
        reject(signal.reason as Error);
      });
    });
  }

  async turn(ms: number): Promise<void> {
    this.ms += ms;
    for (const sleeper of this.sleepers) {
      if (sleeper.atMs > this.ms) continue;
      this.sleepers.delete(sleeper);
      sleeper.wake();
    }
    await tick();
  }
}

export interface Counted {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function captureMetrics(counted: Counted[]): Metrics {
  const keep = (name: string, labels: Readonly<Record<string, string>>): void => void counted.push({ name, labels });
  return { count: keep, gauge: keep, observe: keep };
}

/** The ports in memory: what a test sets is what the API gets, and what the API asked is kept. */
export class InMemoryPorts {
  /** Every command that took effect, in order. */
  readonly executed: { readonly command: string; readonly input: CommandRequest; readonly trace: TraceContext }[] = [];
  /** What every command is refused with, when set. */
  rejection: { readonly reason: string; readonly detail: string } | undefined;
  readonly asked: { readonly userId: string; readonly query: ScansQuery }[] = [];
  readonly rankings: WeeklyRankingQuery[] = [];
  readonly answers = new Map<string, { readonly hash: string; readonly answer: object }>();
  readonly unknownUsers = new Set<string>();
  scans: readonly FinishedScan[] = [];
  single: Scan | undefined;
  more = false;
  /** How many calls wait at the gate. */
  waiting = 0;
  /** Thrown by every port when set. */
  failure: Error | undefined;
  /** Every port waits for it. */
  gate: Promise<void> = Promise.resolve();

  readonly commands: Commands = {
    registerImage: this.command('registerImage', () => ({ image_id: randomUUID(), scan_id: randomUUID() })),
    registerUpload: this.command('registerUpload', () => ({ image_id: randomUUID(), scan_id: randomUUID() })),
    deleteImage: this.command('deleteImage', () => ({})),
    requestScan: this.command('requestScan', () => ({ task_id: randomUUID() })),
    evolveCharacter: this.command('evolveCharacter', () => ({
      character_id: randomUUID(),
      character_name: 'Papybook',
      evolution_level: 1,
    })),
    loseCharacter: this.command('loseCharacter', () => ({})),
    logOut: this.command('logOut', () => ({})),
    changePermissions: this.command('changePermissions', () => ({})),
    startConversation: this.command('startConversation', () => ({ session_id: randomUUID() })),
    postMessage: this.command('postMessage', () => ({ message_id: randomUUID(), answer_id: randomUUID() })),
    endConversation: this.command('endConversation', () => ({})),
    changePreferences: this.command('changePreferences', () => ({ preferences: { language: 'ko' } })),
  };

  readonly queries = {
    ownedCharacters: async (userId: string) => {
      await this.pass();
      const mine = { id: 'bottle', name: `of ${userId}`, acquired_at: '2026-02-14T00:00:00.000000Z', source: 'scan' };
      return { data: [mine], source: 'read-model' as const };
    },
    weeklyRanking: async (query: WeeklyRankingQuery) => {
      await this.pass();
      this.rankings.push(query);
      const entries = [{ rank: 1, user_id: 'ada', count: 3 }];
      return { data: { week: query.week ?? '2026-W07', entries }, source: 'write-database' as const };
    },
    scansOf: async (userId: string, query: ScansQuery) => {
      await this.pass();
      this.asked.push({ userId, query });
      return { data: { scans: this.scans, more: this.more }, source: 'read-model' as const };
    },
    scan: async (_userId: string, scanId: string) => {
      await this.pass();
      return { data: this.single?.scan_id === scanId ? this.single : undefined, source: 'read-model' as const };
    },
    scanStats: async (_userId: string, since: CalendarStarts) => {
      await this.pass();
      this.statsSince.push(since);
      return { data: { today: 1, week: 2, month: 3 }, source: 'read-model' as const };
    },
    character: async (id: string) => {
      await this.pass();
      return { data: this.catalogue.find((character) => character.id === id), source: 'write-database' as const };
    },
    searchCharacters: async (text: string, limit: number) => {
      await this.pass();
      const data = this.catalogue.filter(({ name }) => name.includes(text)).slice(0, limit);
      return { data, source: 'write-database' as const };
    },
    scanTask: async (userId: string, taskId: string) => {
      await this.pass();
      const data = this.task?.task_id === taskId && userId === 'ada' ? this.task : undefined;
      return { data, source: 'write-database' as const };
    },
    profile: async (user_id: string) => {
      await this.pass();
      const data = { user_id, total_characters: 1, last_character: null, preferences: { language: 'ko' }, updated_at: null };
      return { data, source: 'write-database' as const };
    },
    searchProfiles: async (text: string, limit: number) => {
      await this.pass();
      const all = ['ada', 'adam', 'bob'].map((user_id) => ({ user_id, total_characters: 1, last_character: null }));
      return { data: all.filter(({ user_id }) => user_id.startsWith(text)).slice(0, limit), source: 'write-database' as const };
    },
    recentImages: async (userId: string, limit: number) => {
      await this.pass();
      this.imagesAsked.push({ userId, limit });
      return { data: this.images, source: 'write-database' as const };
    },
    conversationsOf: async (userId: string, page: PageQuery) => {
      await this.pass();
      this.pages.push({ userId, page });
      return { data: { conversations: this.conversations, more: this.more }, source: 'write-database' as const };
    },
    conversation: async (userId: string, sessionId: string, page: PageQuery) => {
      await this.pass();
      this.pages.push({ userId, sessionId, page });
      const found = this.conversations.find((conversation) => conversation.session_id === sessionId);
      const data = found === undefined ? undefined : { ...found, messages: this.messages, more: this.more };
      return { data, source: 'write-database' as const };
    },
  };

  readonly statsSince: CalendarStarts[] = [];
  catalogue: readonly CatalogueCharacter[] = [];
  task: ScanTask | undefined;
  images: readonly RecentImage[] = [];
  readonly imagesAsked: { readonly userId: string; readonly limit: number }[] = [];
  readonly pages: { readonly userId: string; readonly sessionId?: string; readonly page: PageQuery }[] = [];
  conversations: readonly Conversation[] = [];
  messages: readonly ChatMessage[] = [];

  private command<A extends object>(command: string, answer: () => A) {
    return async (input: CommandRequest, trace: TraceContext): Promise<CommandOutcome<A & { readonly trace_id: string }>> => {
      await this.pass();
      const first = input.idempotencyKey === undefined ? undefined : this.answers.get(input.idempotencyKey);
      if (first !== undefined && first.hash !== input.requestHash) return { kind: 'mismatch' };
      if (first !== undefined) return { kind: 'repeated', answer: first.answer as A & { readonly trace_id: string } };
      if (this.rejection !== undefined) return { kind: 'rejected', ...this.rejection };
      this.executed.push({ command, input, trace });
      const answered = { ...answer(), trace_id: trace.traceId };
      if (input.idempotencyKey !== undefined) this.answers.set(input.idempotencyKey, { hash: input.requestHash, answer: answered });
      return { kind: 'accepted', answer: answered };
    };
  }

  /** By e-mail address: the password. */
  readonly passwords = new Map<string, string>();
  readonly accounts: Accounts = {
    register: async ({ email, password }) => {
      await this.pass();
      if (this.passwords.has(email)) return undefined;
      this.passwords.set(email, password);
      return `user-of-${email}`;
    },
    logIn: async ({ email, password }) => {
      await this.pass();
      return this.passwords.get(email) === password ? tokensOf(`user-of-${email}`) : undefined;
    },
    refresh: async (refreshToken) => {
      await this.pass();
      return refreshToken === 'refresh-me' ? tokensOf('ada') : undefined;
    },
  };

  /** Queues by name, each with the letters that it holds by error code; what was asked for is kept. */
  readonly letters = new Map<string, Record<string, number>>();
  readonly reprocessed: ReprocessRequest[] = [];
  /** By idempotency key; without letters: it is being worked on. */
  readonly operatorRequests = new Map<string, { readonly requestHash: string; readonly letters: number | undefined }>();
  readonly deadLetters: DeadLetterQueues = {
    list: async () => {
      await this.pass();
      return [...this.letters].map(([queue, codes]) => {
        const open = Object.values(codes).reduce((sum, count) => sum + count, 0);
        return { queue, group: queue.replace(/\.dlt$/, ''), replayable: !queue.startsWith('capture.'), open, archived: 0 };
      });
    },
    reprocess: async (request) => {
      await this.pass();
      const codes = this.letters.get(request.queue);
      if (codes === undefined) return { kind: 'unknown-queue' };
      if (request.queue.startsWith('capture.')) return { kind: 'not-replayable' };
      const first = this.operatorRequests.get(request.idempotencyKey ?? '');
      if (first !== undefined) {
        if (first.requestHash !== request.requestHash) return { kind: 'mismatch' };
        return first.letters === undefined ? { kind: 'in-progress' } : { kind: 'reprocessed', letters: first.letters, isRepeated: true };
      }
      if (Object.values(codes).some((count) => count > LETTERS_MAX)) return { kind: 'too-many' };
      this.reprocessed.push(request);
      const fitting = Object.entries(codes).filter(([code]) => request.errorCode === undefined || code === request.errorCode);
      const letters = Math.min(
        request.count,
        fitting.reduce((sum, [, count]) => sum + count, 0),
      );
      if (request.idempotencyKey !== undefined)
        this.operatorRequests.set(request.idempotencyKey, { requestHash: request.requestHash, letters });
      return { kind: 'reprocessed', letters, isRepeated: false };
    },
  };

  /** What was told to be refused, and ids of tokens that are. */
  readonly refused: Revocation[] = [];
  readonly revoked = new Set<string>();
  readonly revocations: Revocations = {
    isRevoked: async ({ tokenId }) => tokenId !== undefined && this.revoked.has(tokenId),
    refuse: async (revocations) => {
      this.refused.push(...revocations);
      for (const { of, id } of revocations) if (of === 'token') this.revoked.add(id);
    },
  };

  readonly users = { isKnownUser: async (userId: string) => !this.unknownUsers.has(userId) };

  private async pass(): Promise<void> {
    this.waiting += 1;
    await this.gate;
    this.waiting -= 1;
    if (this.failure !== undefined) throw this.failure;
  }
}

function tokensOf(userId: string): Tokens {
  return { userId, sessionId: 's1', accessToken: 'access-me', expiresInSeconds: 3_600, refreshToken: 'refresh-me-next' };
}

export interface ApiHarness {
  readonly app: FastifyInstance;
  readonly ports: InMemoryPorts;
  readonly lines: LogLine[];
  readonly counted: Counted[];
  readonly clock: HandClock;
  readonly health: HealthSource[];
  readonly dependencies: ApiDependencies;
  stopping: boolean;
  /** A request with a valid token of the user. */
  readonly as: (userId: string, request: InjectOptions, permissions?: readonly string[]) => Promise<LightMyRequestResponse>;
}

/** The API without a socket, over ports in memory. Rate limits are off unless a test sets them. */
export function apiHarness(options: Partial<ApiOptions> = {}): ApiHarness {
  const { dependencies, ...captured } = capturedDependencies();
  const settings = { ...apiOptions(), ...options };
  const harness: ApiHarness = {
    ...captured,
    dependencies,
    stopping: false,
    app: buildApi(dependencies, settings, () => harness.stopping),
    as: async (userId: string, request: InjectOptions, permissions: readonly string[] = []) => {
      const token = await developmentToken(AUTH, { id: userId, permissions }, captured.clock.nowMs());
      const headers = { authorization: `Bearer ${token}`, ...request.headers };
      return harness.app.inject({ ...request, headers });
    },
  };
  return harness;
}

export function apiOptions(): ApiOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    auth: AUTH,
    timeZone: 'Asia/Seoul',
    rateLimits: { commandsPerMinute: 0, queriesPerMinute: 0 },
  };
}

export function capturedDependencies() {
  const ports = new InMemoryPorts();
  const lines: LogLine[] = [];
  const counted: Counted[] = [];
  const clock = new HandClock();
  const health: HealthSource[] = [];
  const dependencies: ApiDependencies = {
    commands: ports.commands,
    queries: ports.queries,
    accounts: ports.accounts,
    users: ports.users,
    revocations: ports.revocations,
    deadLetters: ports.deadLetters,
    health,
    renderMetrics: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'millrace_up 1\n' }),
    logger: captureLogger(lines),
    metrics: captureMetrics(counted),
    clock,
  };
  return { ports, lines, counted, clock, health, dependencies };
}
