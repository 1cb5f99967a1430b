import type { Database } from './database.ts';

/** Times are ISO 8601, UTC. */
export interface ConversationRow {
  readonly session_id: string;
  readonly status: 'open' | 'ended';
  readonly started_at: string;
  readonly last_message_at: string | null;
  readonly ended_at: string | null;
}

export interface MessageRow {
  readonly message_id: string;
  readonly author: 'user' | 'assistant';
  readonly kind: 'text' | 'image';
  readonly text: string | null;
  readonly image_url: string | null;
  readonly reply_to: string | null;
  readonly failure_reason: string | null;
  readonly created_at: string;
}

/** From the newest on, or from behind the one with the id `before`; an unknown id has nothing behind it. */
export interface RowsPage {
  readonly before: string | undefined;
  readonly limit: number;
}

const CONVERSATION = 'session_id, status, started_at, last_message_at, ended_at';

/** The conversation started last first; one row more than `limit` says that more follow. Rejects with POSTGRES_UNAVAILABLE. */
export async function readConversations(database: Database, userId: string, page: RowsPage): Promise<readonly ConversationRow[]> {
  return database.query<ConversationRow>(
    `SELECT ${CONVERSATION} FROM chat.conversations
      WHERE user_id = $1
        AND ($2::varchar IS NULL OR (started_at, session_id) < (
          SELECT started_at, session_id FROM chat.conversations WHERE session_id = $2 AND user_id = $1))
      ORDER BY started_at DESC, session_id DESC LIMIT $3`,
    [userId, page.before ?? null, page.limit + 1],
  );
}

/** Undefined: this user has no such conversation. Rejects with POSTGRES_UNAVAILABLE. */
export async function readConversation(database: Database, userId: string, sessionId: string): Promise<ConversationRow | undefined> {
  const rows = await database.query<ConversationRow>(
    `SELECT ${CONVERSATION} FROM chat.conversations WHERE session_id = $1 AND user_id = $2`,
    [sessionId, userId],
  );
  return rows[0];
}

/** The newest message first; one row more than `limit` says that more follow. Rejects with POSTGRES_UNAVAILABLE. */
export async function readMessages(database: Database, sessionId: string, page: RowsPage): Promise<readonly MessageRow[]> {
  return database.query<MessageRow>(
    `SELECT message_id, author, kind, text, image_url, reply_to, failure_reason, created_at FROM chat.messages
      WHERE session_id = $1
        AND ($2::varchar IS NULL OR (created_at, message_id) < (
          SELECT created_at, message_id FROM chat.messages WHERE message_id = $2 AND session_id = $1))
      ORDER BY created_at DESC, message_id DESC LIMIT $3`,
    [sessionId, page.before ?? null, page.limit + 1],
  );
}
