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

// ----------------------------------------------------------------------------------------------------------- queries

/** Where an answer came from: the read model as a rule, the write database on a miss or an outage of the read model. */
export type ReadSource = 'read-model' | 'write-database';

export interface Read<T> {
  readonly data: T;
  readonly source: ReadSource;
}

export interface OwnedCharacter {
  readonly id: string;
  /** Null when nothing that is known says it: an evolved character. */
  readonly name: string | null;
  /** ISO 8601, UTC. */
  readonly acquired_at: string;
  readonly source: string;
}

export interface WeeklyRankingQuery {
  /** ISO week (`2026-W07`) in the pipeline's time zone; left out: the current one. */
  readonly week: string | undefined;
  readonly limit: number;
}

export interface RankingEntry {
  /** 1 is the best; equal counts share a rank. */
  readonly rank: number;
  readonly user_id: string;
  /** Characters acquired in the week. */
  readonly count: number;
}

export interface WeeklyRanking {
  readonly week: string;
  /** Best first, users of equal count by user id. */
  readonly entries: readonly RankingEntry[];
}

export interface Scan {
  readonly scan_id: string;
  readonly image_id: string | null;
  /** `requested`: its outcome is not known yet. */
  readonly status: 'requested' | 'completed' | 'failed';
  readonly category: string | null;
  /** 0 to 1. */
  readonly confidence: number | null;
  readonly reward_eligible: boolean;
  /** Null while the scan is only requested. */
  readonly reward_status: 'pending' | 'granted' | 'none' | 'failed' | null;
  /** Why the scan or its reward failed. */
  readonly failure_reason: string | null;
  /** ISO 8601, UTC: when the scan completed or failed; null before. */
  readonly completed_at: string | null;
}

/** A scan that is over. */
export interface FinishedScan extends Scan {
  readonly completed_at: string;
}

/**
 * A place in a user's scan history. Its order, the same in both sources, so that a cursor of one goes on in the other:
 * by completion, the newest first, to the millisecond (Elasticsearch keeps no more); equal ones by scan id, descending.
 */
export interface ScanPosition {
  /** As it stood in the answer. */
  readonly completedAt: string;
  readonly scanId: string;
}

export interface ScansQuery {
  /** Bounds of the completion, ISO 8601, UTC; inclusive. */
  readonly from: string | undefined;
  /** ISO 8601, UTC; exclusive. */
  readonly before: string | undefined;
  readonly category: string | undefined;
  /** Only what comes after this place in the order: older, or as old with a smaller scan id. */
  readonly after: ScanPosition | undefined;
  readonly limit: number;
}

export interface ScanPage {
  /** At most `limit`, in the order of ScanPosition; only finished ones. */
  readonly scans: readonly FinishedScan[];
  /** True when at least one more follows. */
  readonly more: boolean;
}

/** ISO 8601, UTC: when the day, the week and the month began. */
export interface CalendarStarts {
  readonly today: string;
  readonly week: string;
  readonly month: string;
}

/** Scans that ended since then. */
export type ScanStats = { readonly [period in keyof CalendarStarts]: number };

/** A character of the catalogue, whoever owns it. */
export interface CatalogueCharacter {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly category: string | null;
  readonly level: number;
  readonly evolves_from: string | null;
}

/** A classification that was asked for by itself. */
export interface ScanTask {
  readonly task_id: string;
  readonly scan_id: string;
  readonly status: 'requested' | 'completed' | 'failed';
  /** ISO 8601, UTC. */
  readonly created_at: string;
}

export interface Profile {
  readonly user_id: string;
  readonly total_characters: number;
  /** The one acquired last; null before the first. */
  readonly last_character: { readonly id: string; readonly name: string | null } | null;
  readonly preferences: Readonly<Record<string, string>>;
  /** ISO 8601, UTC; null while nothing has changed. */
  readonly updated_at: string | null;
}

/** What others may see of a profile. */
export type FoundProfile = Pick<Profile, 'user_id' | 'total_characters' | 'last_character'>;

/** A registered image that was not deleted. Times are ISO 8601, UTC. */
export interface RecentImage {
  readonly image_id: string;
  readonly cdn_url: string;
  readonly status: 'registered' | 'processed';
  readonly registered_at: string;
  readonly processed_at: string | null;
}

export interface Conversation {
  readonly session_id: string;
  readonly status: 'open' | 'ended';
  /** ISO 8601, UTC, as all times here. */
  readonly started_at: string;
  readonly last_message_at: string | null;
  readonly ended_at: string | null;
}

export interface ChatMessage {
  readonly message_id: string;
  readonly author: 'user' | 'assistant';
  readonly kind: 'text' | 'image';
  readonly text: string | null;
  readonly image_url: string | null;
  /** Of an answer: the message that it answers. */
  readonly reply_to: string | null;
  /** Why there is no real answer; the text says so. */
  readonly failure_reason: string | null;
  readonly created_at: string;
}

/** A place in a list that is read from its newest end; left out: the newest. */
export interface PageQuery {
  /** The id of the last one of the page before. */
  readonly before: string | undefined;
  readonly limit: number;
}

export interface ConversationPage {
  /** The one started last first. */
  readonly conversations: readonly Conversation[];
  readonly more: boolean;
}

export interface ConversationWithMessages extends Conversation {
  /** The newest first. */
  readonly messages: readonly ChatMessage[];
  readonly more: boolean;
}

/** Each answers with this user's own data only, except the ranking, the catalogue and the search of profiles. */
export interface Queries {
  ownedCharacters(userId: string): Promise<Read<readonly OwnedCharacter[]>>;
  weeklyRanking(query: WeeklyRankingQuery): Promise<Read<WeeklyRanking>>;
  scansOf(userId: string, query: ScansQuery): Promise<Read<ScanPage>>;
  /** Undefined: this user has no such scan, or it is still being processed. */
  scan(userId: string, scanId: string): Promise<Read<Scan | undefined>>;
  scanStats(userId: string, since: CalendarStarts): Promise<Read<ScanStats>>;
  /** Undefined: the catalogue has none with this id. */
  character(characterId: string): Promise<Read<CatalogueCharacter | undefined>>;
  /** Whose name, description or category holds the text; first forms first, then by name. */
  searchCharacters(text: string, limit: number): Promise<Read<readonly CatalogueCharacter[]>>;
  /** Undefined: this user has no such task. */
  scanTask(userId: string, taskId: string): Promise<Read<ScanTask | undefined>>;
  /** Of a user who has not done anything: an empty one. */
  profile(userId: string): Promise<Read<Profile>>;
  /** Whose user's id begins with the text, in any case of letters. */
  searchProfiles(text: string, limit: number): Promise<Read<readonly FoundProfile[]>>;
  /** The one registered last first. */
  recentImages(userId: string, limit: number): Promise<Read<readonly RecentImage[]>>;
  conversationsOf(userId: string, page: PageQuery): Promise<Read<ConversationPage>>;
  /** Undefined: this user has no such conversation. */
  conversation(userId: string, sessionId: string, page: PageQuery): Promise<Read<ConversationWithMessages | undefined>>;
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
 * which has no answer yet.
 */
export type ReprocessOutcome =
  | { readonly kind: 'reprocessed'; readonly letters: number; readonly isRepeated: boolean }
  | { readonly kind: 'mismatch' | 'in-progress' | 'unknown-queue' | 'not-replayable' };

/** What groups and captures could not handle. */
export interface DeadLetterQueues {
  list(): Promise<readonly DeadLetterQueue[]>;
  reprocess(request: ReprocessRequest): Promise<ReprocessOutcome>;
}

/** The metrics of the process as a text for Prometheus. */
export type RenderMetrics = () => Promise<{ readonly contentType: string; readonly body: string }>;
