import type { Client, estypes } from '@elastic/elasticsearch';
import { ClassifiedError } from '../../core/errors.ts';
import type { Names } from '../../core/names.ts';
import type { ScanDocument } from '../scan-history/scan-history.ts';
import { classifyElasticsearchError } from './classify-elasticsearch-error.ts';
import { VERSIONS_FIELD } from './elasticsearch-documents.ts';

/** A finished scan: classified, or failed. */
export type FinishedScan = ScanDocument & { readonly status: 'completed' | 'failed'; readonly completed_at: string };

export interface ScanFilter {
  /** ISO 8601: the scan ended at or after, and before. */
  readonly from?: string | undefined;
  readonly before?: string | undefined;
  readonly category?: string | undefined;
  /** Only what follows this place in the order. */
  readonly after?: { readonly completedAt: string; readonly scanId: string } | undefined;
  /** 1 to 1000. */
  readonly limit: number;
}

export interface ScanSearch {
  /** The newest first, to the millisecond (Elasticsearch keeps no more); equal ones by scan id, descending. */
  readonly scans: readonly FinishedScan[];
  /** True when at least one more follows. */
  readonly more: boolean;
}

/** Reads of the read models in Elasticsearch. Every method rejects with ELASTICSEARCH_UNAVAILABLE when it cannot answer. */
export interface ElasticsearchReader {
  /** Finished scans of the user. Searches see a write within a second. */
  scansOf(userId: string, filter: ScanFilter): Promise<ScanSearch>;
  /** How many finished scans of the user ended since each of these times (ISO 8601), by their names. */
  scanCounts<P extends string>(userId: string, since: Readonly<Record<P, string>>): Promise<Readonly<Record<P, number>>>;
  /** In whatever state it is, as soon as it is written; undefined when there is none. */
  scan(scanId: string): Promise<ScanDocument | undefined>;
}

export function createElasticsearchReader(options: { readonly client: Client; readonly names: Names }): ElasticsearchReader {
  const { client } = options;
  const index = options.names.index('scans');
  return {
    scansOf: async (userId, filter) => {
      const response = await answered(client.search<ScanDocument>({ index, ...scanSearch(userId, filter) }));
      const scans = response.hits.hits.flatMap(({ _source: scan }) => (scan !== undefined && isFinished(scan) ? [scan] : []));
      return { scans: scans.slice(0, filter.limit), more: response.hits.hits.length > filter.limit };
    },
    scanCounts: async <P extends string>(userId: string, since: Readonly<Record<P, string>>) => {
      const response = await answered(client.search({ index, ...countSearch(userId, since) }));
      const counted = (period: string): number =>
        (response.aggregations?.[period] as estypes.AggregationsFilterAggregate | undefined)?.doc_count ?? 0;
      return Object.fromEntries(Object.keys(since).map((period) => [period, counted(period)])) as Record<P, number>;
    },
    scan: async (scanId) => {
      const response = await answered(client.mget<ScanDocument>({ index, ids: [scanId], _source_excludes: VERSIONS_FIELD }));
      const item = response.docs[0];
      if (item === undefined) return undefined;
      if ('error' in item) throw new ClassifiedError('ELASTICSEARCH_UNAVAILABLE', `Elasticsearch does not take reads: ${item.error.type}`);
      return item._source;
    },
  };
}

function scanSearch(userId: string, { from, before, category, after, limit }: ScanFilter): estypes.SearchRequest {
  const ended = { ...(from === undefined ? {} : { gte: from }), ...(before === undefined ? {} : { lt: before }) };
  return {
    size: limit + 1,
    track_total_hits: false,
    _source_excludes: VERSIONS_FIELD,
    query: {
      bool: {
        filter: [
          { term: { user_id: userId } },
          { exists: { field: 'completed_at' } },
          ...(Object.keys(ended).length === 0 ? [] : [{ range: { completed_at: ended } }]),
          ...(category === undefined ? [] : [{ term: { category } }]),
        ],
      },
    },
    sort: [{ completed_at: { order: 'desc', format: 'strict_date_optional_time' } }, { scan_id: { order: 'desc' } }],
    ...(after === undefined ? {} : { search_after: [after.completedAt, after.scanId] }),
  };
}

function countSearch(userId: string, since: Readonly<Record<string, string>>): estypes.SearchRequest {
  return {
    size: 0,
    track_total_hits: false,
    query: { bool: { filter: [{ term: { user_id: userId } }, { exists: { field: 'completed_at' } }] } },
    aggs: Object.fromEntries(
      Object.entries(since).map(([period, from]) => [period, { filter: { range: { completed_at: { gte: from } } } }]),
    ),
  };
}

function isFinished(scan: ScanDocument): scan is FinishedScan {
  return scan.completed_at !== null && scan.status !== 'requested';
}

/** A read that is refused is the server's state or our query: either way the answer must come from elsewhere. */
async function answered<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    const failure = classifyElasticsearchError(error);
    throw new ClassifiedError('ELASTICSEARCH_UNAVAILABLE', failure.message, { cause: error });
  }
}
