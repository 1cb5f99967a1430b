import type { Client } from '@elastic/elasticsearch';
import { classifyElasticsearchError } from './classify-elasticsearch-error.ts';

/** Whether the index is there. Rejects with ELASTICSEARCH_UNAVAILABLE. */
export async function indexExists(client: Client, index: string): Promise<boolean> {
  try {
    return await client.indices.exists({ index });
  } catch (error) {
    throw classifyElasticsearchError(error);
  }
}
