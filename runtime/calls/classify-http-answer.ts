import { ClassifiedError } from '../../core/errors.ts';

/** What an HTTP status says about the request that was sent. */
export type HttpVerdict = 'answered' | 'rejected' | 'unavailable' | 'not-found' | 'failed';

const BY_STATUS: Readonly<Record<number, HttpVerdict>> = {
  // Nothing is wrong with the request: who calls is not allowed to, or calls at the wrong place.
  401: 'unavailable',
  403: 'unavailable',
  405: 'unavailable',
  407: 'unavailable',
  // Either the address is wrong or what the request names is gone: one answer cannot tell, those of others do.
  404: 'not-found',
  410: 'not-found',
  // Slow or unlucky with this very request.
  408: 'failed',
  // Busy, or nobody behind the gateway.
  425: 'unavailable',
  429: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/**
 * The table: an answer that says nothing about the request is an outage (intake waits, no attempt is used up); one that
 * says the request will never pass is a rejection; one that this very request may have caused is a counted failure; and one
 * that finds nothing is an outage while nobody is answered, and else a counted failure.
 */
export function httpVerdict(status: number): HttpVerdict {
  const verdict = BY_STATUS[status];
  if (verdict !== undefined) return verdict;
  if (status >= 200 && status < 300) return 'answered';
  // The address is configured wrong: redirects are not followed.
  if (status >= 300 && status < 400) return 'unavailable';
  return status >= 400 && status < 500 ? 'rejected' : 'failed';
}

/** @throws ClassifiedError CALL_UNAVAILABLE, CALL_NOT_FOUND or CALL_FAILED; returns what is left. */
export function answeredOrRejected(status: number, what: string): 'answered' | 'rejected' {
  const verdict = httpVerdict(status);
  switch (verdict) {
    case 'answered':
    case 'rejected':
      return verdict;
    case 'unavailable':
      throw new ClassifiedError('CALL_UNAVAILABLE', `${what} answered ${status}`);
    case 'not-found':
      throw new ClassifiedError('CALL_NOT_FOUND', `${what} answered ${status}`);
    case 'failed':
      throw new ClassifiedError('CALL_FAILED', `${what} answered ${status}`);
  }
}
