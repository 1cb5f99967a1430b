/**
 * What the API reads. As its other ports, each rejects with a ClassifiedError: an outage becomes 503 with Retry-After, anything
 * else 500.
 */

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
