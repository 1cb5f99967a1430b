import type { Revocation } from '../core/access-token.ts';
import type { TraceContext } from '../core/trace.ts';
import type { TokenClaims } from './verify-token.ts';

/**
 * What the API needs from the rest of the product. The composition root fills these; nothing of PostgreSQL, Redis or
 * Elasticsearch shows through. Every port rejects with a ClassifiedError: an outage (POSTGRES_UNAVAILABLE and its like)
 * becomes 503 with Retry-After, anything else is a fault of ours and becomes 500.
 */

// ---------------------------------------------------------------------------------------------------------- commands

export interface CommandRequest {
  readonly userId: string;
  /** Already bound to route and user: two users who send the same header never meet. */
  readonly idempotencyKey: string | undefined;
  /** SHA-256 of the canonical body, hexadecimal: tells a repetition from another request under the same key. */
  readonly requestHash: string;
}

/**
 * `accepted`: committed together with its outbox rows. `repeated`: the key was used for the same request; the first answer
 * again, with the first trace id. `mismatch`: the key was used for another request. `rejected`: the domain refuses, with a
 * short code and a sentence for the caller; nothing was committed.
 */
export type CommandOutcome<A> =
  | { readonly kind: 'accepted'; readonly answer: A }
  | { readonly kind: 'repeated'; readonly answer: A }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'rejected'; readonly reason: string; readonly detail: string };

/** A command of the API: its input beside who asks for it, and what it is answered. */
export type CommandPort<I, A> = (input: I & CommandRequest, trace: TraceContext) => Promise<CommandOutcome<A>>;

/** What every accepted command is answered. */
export interface Accepted {
  readonly trace_id: string;
}

export interface RegisteredImage extends Accepted {
  readonly image_id: string;
  readonly scan_id: string;
}

export interface RequestedScan extends Accepted {
  /** Also the scan's id. */
  readonly task_id: string;
}

export interface EvolvedCharacter extends Accepted {
  /** The form that it has now. */
  readonly character_id: string;
  readonly character_name: string;
  readonly evolution_level: number;
}

export type CharacterLossReason = 'traded' | 'deleted';

export interface ChangedPreferences extends Accepted {
  /** All of them, as they are now. */
  readonly preferences: Readonly<Record<string, string>>;
}

export interface StartedConversation extends Accepted {
  readonly session_id: string;
}

export interface PostedMessage extends Accepted {
  readonly message_id: string;
  /** The id that the answer will have. */
  readonly answer_id: string;
}

/** At least one of the two is set. */
export interface MessageContent {
  readonly text: string | undefined;
  readonly imageUrl: string | undefined;
}

export interface Commands {
  readonly registerImage: CommandPort<{ readonly cdnUrl: string }, RegisteredImage>;
  readonly registerUpload: CommandPort<RegisterableUpload, RegisteredImage>;
  readonly deleteImage: CommandPort<{ readonly imageId: string }, Accepted>;
  readonly requestScan: CommandPort<{ readonly imageUrl: string; readonly userInput: string | undefined }, RequestedScan>;
  readonly evolveCharacter: CommandPort<{ readonly characterId: string }, EvolvedCharacter>;
  readonly loseCharacter: CommandPort<{ readonly characterId: string; readonly reason: CharacterLossReason }, Accepted>;
  readonly changePreferences: CommandPort<{ readonly changes: Readonly<Record<string, string | null>> }, ChangedPreferences>;
  readonly logOut: CommandPort<{ readonly tokenId: string; readonly sessionId: string | undefined; readonly expiresAt: string }, Accepted>;
  readonly changePermissions: CommandPort<{ readonly ofUserId: string; readonly permissions: readonly string[] }, Accepted>;
  readonly startConversation: CommandPort<object, StartedConversation>;
  readonly postMessage: CommandPort<{ readonly sessionId: string } & MessageContent, PostedMessage>;
  readonly endConversation: CommandPort<{ readonly sessionId: string }, Accepted>;
}

/** What was granted with the key of an upload. */
export interface RegisterableUpload {
  /** The image that it becomes. */
  readonly imageId: string;
  readonly cdnUrl: string;
  readonly expired: boolean;
}

export interface GrantedUpload {
  readonly uploadUrl: string;
  readonly key: string;
  /** ISO 8601, UTC. */
  readonly expiresAt: string;
  /** What the upload must send. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Uploads of images that go past the API, straight to a store. */
export interface Uploads {
  /** Content types, each with the endings of its files. */
  readonly formats: Readonly<Record<string, readonly string[]>>;
  readonly bytesMax: number;
  grant(upload: {
    readonly userId: string;
    readonly contentType: string;
    readonly ending: string;
    /** Undefined: not told beforehand. */
    readonly bytes: number | undefined;
  }): Promise<GrantedUpload>;
  /** Undefined: no key that was granted to this user. */
  read(key: string, userId: string): RegisterableUpload | undefined;
}

export interface Tokens {
  readonly userId: string;
  readonly sessionId: string;
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  /** Good for one exchange. */
  readonly refreshToken: string;
}

interface EmailAndPassword {
  readonly email: string;
  readonly password: string;
}

/** Users who prove to be one with a password. */
export interface Accounts {
  /** The new user's id; undefined when the address is registered. */
  register(user: EmailAndPassword, trace: TraceContext): Promise<string | undefined>;
  /** Undefined when they do not belong together, or to anybody. */
  logIn(
    attempt: EmailAndPassword & { readonly address: string; readonly userAgent: string },
    trace: TraceContext,
  ): Promise<Tokens | undefined>;
  /** Undefined when the token was used or its session is over. */
  refresh(refreshToken: string): Promise<Tokens | undefined>;
}

/** What refuses tokens before their time. */
export interface Revocations {
  /** False too while nobody can tell. */
  isRevoked(claims: TokenClaims): Promise<boolean>;
  /**
   * Has all processes refuse these from now on, after the command that is behind them was committed. Never rejects, and takes
   * half a second at most: what could not be told at once comes behind.
   */
  refuse(revocations: readonly Revocation[]): Promise<void>;
}

export interface UserDirectory {
  isKnownUser(userId: string): Promise<boolean>;
}

// -------------------------------------------------------------------------------------------------------- operations

export interface DeadLetterQueue {
  /** The dead-letter topic. */
  readonly queue: string;
  readonly group: string;
  readonly replayable: boolean;
  readonly open: number;
  readonly archived: number;
}

export interface ReprocessRequest {
  readonly queue: string;
  /** Letters at most. */
  readonly count: number;
  readonly errorCode: string | undefined;
  /** Who decides: the subject of the token. */
  readonly actor: string;
  readonly idempotencyKey: CommandRequest['idempotencyKey'];
  readonly requestHash: CommandRequest['requestHash'];
}

/**
 * `reprocessed`: so many letters are durably given back to their group, and audited; repeated, when the key was used for the same
 * request and this is its first answer again. `mismatch`: the key was used for another request. `in-progress`: for the same one,
 * which has no answer yet. `too-many`: more letters fit than a request can put in order.
 */
export type ReprocessOutcome =
  | { readonly kind: 'reprocessed'; readonly letters: number; readonly isRepeated: boolean }
  | { readonly kind: 'mismatch' | 'in-progress' | 'unknown-queue' | 'not-replayable' | 'too-many' };

/** What groups and captures could not handle. */
export interface DeadLetterQueues {
  list(): Promise<readonly DeadLetterQueue[]>;
  reprocess(request: ReprocessRequest): Promise<ReprocessOutcome>;
}

/** The metrics of the process as a text for Prometheus. */
export type RenderMetrics = () => Promise<{ readonly contentType: string; readonly body: string }>;
