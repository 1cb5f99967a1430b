import { streamVersion } from '../../core/envelope.ts';
import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../core/envelope.ts';
import { HistoryBuilder } from '../../test/support/user-history.ts';
import { scanHistory } from '../scan-history/scan-history.ts';
import type { DocumentState } from './fold-document.ts';
import { foldDocument, foldHistory } from './fold-document.ts';

const ids = { scan_id: 'scan-1', user_id: 'user-1' };
const user = new HistoryBuilder('user-1');
const requested = user.add('ScanRequested', { ...ids, image_id: 'image-1' });
const completed = user.add('ScanCompleted', { ...ids, category: 'glass', reward_eligible: true });
const compensated = user.add('ScanRewardCompensated', { ...ids, reason: 'already_owned' });
const acquired = user.add('CharacterAcquired', {
  user_id: 'user-1',
  character_id: 'c',
  character_name: 'C',
  source: 'scan',
  source_id: 'scan-1',
});

const fold = (stored: DocumentState | undefined, events: readonly EventRecord[], history?: readonly EventRecord[]) => {
  const { state, results } = foldDocument(
    scanHistory,
    'scan-1',
    stored,
    events.map((event) => ({ event, history })),
  );
  return { state, kinds: results.map(({ kind }) => kind) };
};
const stateOf = (...events: readonly EventRecord[]) => foldHistory(scanHistory, 'scan-1', events);

describe('folding events into a document', () => {
  it('applies a batch in the order of the versions, whatever order it came in', () => {
    const { state, kinds } = fold(undefined, [completed, requested]);
    expect(kinds).toEqual(['applied', 'applied']);
    expect(state).toEqual(stateOf(requested, completed));
  });

  it('knows what was applied before', () => {
    const stored = stateOf(requested, completed);
    expect(fold(stored, [completed, requested])).toEqual({ state: stored, kinds: ['stale', 'stale'] });
    expect(fold(undefined, [requested, requested]).kinds).toEqual(['applied', 'stale']);
  });

  it('never makes a missing document from a later event, nor skips a version', () => {
    expect(fold(undefined, [completed])).toEqual({ state: undefined, kinds: ['needs-history'] });
    expect(fold(undefined, [acquired])).toEqual({ state: undefined, kinds: ['needs-history'] });
    expect(fold(stateOf(requested), [compensated])).toEqual({ state: stateOf(requested), kinds: ['needs-history'] });
  });

  it('begins a document with the first event of a source whose every version touches it, without asking for history', () => {
    const first = { ...completed, version: streamVersion(1n) };
    expect(fold(undefined, [first])).toEqual({ state: stateOf(first), kinds: ['applied'] });
  });

  it('folds the document anew from its history', () => {
    const history = [requested, completed];
    expect(fold(undefined, [compensated], history)).toEqual({ state: stateOf(requested, completed, compensated), kinds: ['applied'] });
  });

  it('calls what the history of a neighbour brought along applied, once', () => {
    const history = [requested, completed, compensated];
    const changes = [
      { event: completed, history: undefined },
      { event: compensated, history },
      { event: compensated, history },
    ];
    // Version 2 comes first and has no history of its own.
    expect(foldDocument(scanHistory, 'scan-1', undefined, changes).results.map(({ kind }) => kind)).toEqual([
      'needs-history',
      'applied',
      'stale',
    ]);
  });

  it('asks again when the document went on while its history was read', () => {
    const stored = stateOf(requested, acquired);
    expect(fold(stored, [compensated], [requested, completed])).toEqual({ state: stored, kinds: ['needs-history'] });
    expect(fold(stored, [compensated], [requested, completed, acquired]).kinds).toEqual(['applied']);
  });

  it('fails the event on which the fold throws, and no other', () => {
    const faulty: typeof scanHistory = {
      ...scanHistory,
      fold: (document, event, id) => {
        if (event.type === 'ScanCompleted') throw new Error('a bug');
        return scanHistory.fold(document, event, id);
      },
    };
    const { state, results } = foldDocument(
      faulty,
      'scan-1',
      undefined,
      [requested, completed, acquired].map((event) => ({ event, history: undefined })),
    );
    expect(results).toMatchObject([{ kind: 'applied' }, { kind: 'failed', error: { code: 'DOCUMENT_INVALID' } }, { kind: 'applied' }]);
    expect(state?.versions).toEqual({ scan: '1', user_characters: '1' });
  });
});
