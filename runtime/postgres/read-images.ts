import type { Database } from './database.ts';

/** A registered image that was not deleted. Times are ISO 8601, UTC. */
export interface ImageRow {
  readonly image_id: string;
  readonly cdn_url: string;
  readonly status: 'registered' | 'processed';
  readonly registered_at: string;
  readonly processed_at: string | null;
}

/** The user's images, the one registered last first. Rejects with POSTGRES_UNAVAILABLE. */
export async function readRecentImages(database: Database, userId: string, limit: number): Promise<readonly ImageRow[]> {
  return database.query<ImageRow>(
    `SELECT image_id, cdn_url, status, registered_at, processed_at FROM image.images
      WHERE user_id = $1 AND status IN ('registered', 'processed') AND registered_at IS NOT NULL AND cdn_url IS NOT NULL
      ORDER BY registered_at DESC, image_id DESC LIMIT $2`,
    [userId, limit],
  );
}
