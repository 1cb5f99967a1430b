import { errors } from '@elastic/elasticsearch';
import { describe, expect, it } from 'vitest';
import { classifyElasticsearchError, writeResultOf } from './classify-elasticsearch-error.ts';

const failure = (status: number, type?: string) => ({ status, type, cause: undefined });

describe('a bulk item that was not written', () => {
  it.each([
    [409, 'version_conflict_engine_exception', 'conflict'],
    [429, 'es_rejected_execution_exception', 'busy'],
    [429, 'circuit_breaking_exception', 'busy'],
    [503, 'unavailable_shards_exception', 'busy'],
  ])('with status %d (%s) is tried again: %s', (status, type, kind) => {
    expect(writeResultOf(failure(status, type))).toEqual({ kind });
  });

  it.each([
    [400, 'document_parsing_exception', 'DOCUMENT_INVALID'],
    [400, 'strict_dynamic_mapping_exception', 'DOCUMENT_INVALID'],
    [413, undefined, 'DOCUMENT_INVALID'],
    [403, 'cluster_block_exception', 'ELASTICSEARCH_UNAVAILABLE'],
    [403, 'security_exception', 'ELASTICSEARCH_UNAVAILABLE'],
    [401, 'security_exception', 'ELASTICSEARCH_UNAVAILABLE'],
    [404, 'index_not_found_exception', 'ELASTICSEARCH_UNAVAILABLE'],
    [500, 'something_new', 'ELASTICSEARCH_UNAVAILABLE'],
  ])('with status %d (%s) has failed: %s', (status, type, code) => {
    expect(writeResultOf(failure(status, type))).toMatchObject({ kind: 'failed', error: { code } });
  });
});

describe('an error of the client', () => {
  it.each([
    new errors.ConnectionError('refused'),
    new errors.TimeoutError('timed out'),
    new errors.NoLivingConnectionsError('none', {} as never),
  ])('without an answer is an outage: $name', (error) => {
    expect(classifyElasticsearchError(error)).toMatchObject({ code: 'ELASTICSEARCH_UNAVAILABLE' });
  });

  it('of our own making is not', () => {
    expect(classifyElasticsearchError(new TypeError('not a function'))).toMatchObject({ code: 'UNCLASSIFIED' });
  });
});
