import type { errors as libraryErrors } from '@elastic/elasticsearch';
import { ClassifiedError } from '../../core/errors.ts';
import type { WriteResult } from './document-store.ts';
import { elasticsearchLibrary } from './elasticsearch-client.ts';

/** What a bulk item or a response says of its failure. Only the type may be repeated: the reason quotes field values. */
export interface ElasticsearchFailure {
  readonly status: number;
  readonly type: string | undefined;
  readonly cause: unknown;
}

/** The status of one bulk item that was not written: a bulk request succeeds even when all of its items fail. */
export function writeResultOf(failure: ElasticsearchFailure): WriteResult {
  if (failure.status === 409) return { kind: 'conflict' };
  if (failure.status === 429 || failure.status === 503) return { kind: 'busy' };
  return { kind: 'failed', error: classifyElasticsearchFailure(failure) };
}

/**
 * A failure in the table's words. The document's own fault is only what the server found while parsing it or what is too
 * large; blocks (a full disk), missing indices, refused credentials and all else are the server's state.
 */
export function classifyElasticsearchFailure({ status, type, cause }: ElasticsearchFailure): ClassifiedError {
  const said = type === undefined ? `status ${status}` : `${type} (status ${status})`;
  return status === 400 || status === 413
    ? new ClassifiedError('DOCUMENT_INVALID', `Elasticsearch refused the document: ${said}`, { cause })
    : new ClassifiedError('ELASTICSEARCH_UNAVAILABLE', `Elasticsearch does not take writes or reads: ${said}`, { cause });
}

/** What the client's errors say to a person, who does not know its classes. */
const CLIENT_WORDS: Readonly<Partial<Record<string, string>>> = {
  ConnectionError: 'no connection',
  NoLivingConnectionsError: 'no connection',
  TimeoutError: 'no answer in time',
  RequestAbortedError: 'the request was ended',
  DeserializationError: 'the answer is not of Elasticsearch',
  ProductNotSupportedError: 'the server is not Elasticsearch',
};

/** An error that the client threw. */
export function classifyElasticsearchError(thrown: unknown): ClassifiedError {
  if (thrown instanceof ClassifiedError) return thrown;
  const { errors } = elasticsearchLibrary();
  if (thrown instanceof errors.ResponseError) {
    return classifyElasticsearchFailure({ status: thrown.statusCode ?? 0, type: errorType(thrown), cause: thrown });
  }
  if (thrown instanceof errors.ElasticsearchClientError) {
    return new ClassifiedError(
      'ELASTICSEARCH_UNAVAILABLE',
      `Elasticsearch cannot be reached: ${CLIENT_WORDS[thrown.name] ?? 'the client failed'}`,
      { cause: thrown },
    );
  }
  return new ClassifiedError('UNCLASSIFIED', 'Elasticsearch failed', { cause: thrown });
}

/** The server's own word, when the answer is its own and not a proxy's page. */
function errorType(error: libraryErrors.ResponseError): string | undefined {
  const body: unknown = error.body;
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const inner: unknown = body.error;
  return typeof inner === 'object' && inner !== null && 'type' in inner && typeof inner.type === 'string' ? inner.type : undefined;
}
