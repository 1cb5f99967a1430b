import type { DemoExpectation, DemoPlan, ExpectedScan } from './plan.ts';
import type { SentRegistration } from './load.ts';

/** What the stores hold at the end, as plain as possible: the comparison shares no code with what wrote it. */
export interface DemoState {
  /** Write side, by image id. */
  readonly images: ReadonlyMap<string, { readonly userId: string; readonly cdnUrl: string; readonly status: string }>;
  /** Write side, by scan id. */
  readonly scanRecords: ReadonlyMap<string, ObservedScan>;
  /** Write side: character ids by user. */
  readonly ownerships: ReadonlyMap<string, readonly string[]>;
  /** Write side: total characters by user. */
  readonly profiles: ReadonlyMap<string, number>;
  /** Write side: notifications by user and kind. */
  readonly deliveries: ReadonlyMap<string, number>;
  /** Redis: the list's fields by user. */
  readonly characterLists: ReadonlyMap<string, ReadonlyMap<string, { readonly name: string; readonly source: string }>>;
  /** Redis: score by user, over the weeks of the run. */
  readonly ranking: ReadonlyMap<string, number>;
  /** Elasticsearch, by scan id. */
  readonly scanDocuments: ReadonlyMap<string, ObservedScan & { readonly imageId: string; readonly traceId: string }>;
  /** Elasticsearch: owned characters with the scan that granted them, by `user:character`. */
  readonly ownershipDocuments: ReadonlyMap<string, { readonly name: string; readonly sourceId: string | null }>;
}

export interface ObservedScan {
  readonly userId: string;
  readonly status: string;
  readonly category: string | null;
  readonly rewardEligible: boolean;
  readonly rewardStatus: string;
  readonly rewardFailureReason: string | null;
}

/** Every difference between what was sent and what is there, missing and extra ones alike; empty when all is right. */
export function differences(
  plan: DemoPlan,
  expected: DemoExpectation,
  sent: readonly SentRegistration[],
  state: DemoState,
  nameOf: (characterId: string) => string,
): string[] {
  const found: string[] = [];
  const same = (what: string, actual: unknown, wanted: unknown): void => {
    if (actual !== wanted) found.push(`${what}: ${show(actual)} instead of ${show(wanted)}`);
  };
  for (const registration of plan.registrations) {
    const answer = sent[registration.index];
    const scan = expected.scans[registration.index];
    if (answer === undefined || scan === undefined) {
      found.push(`registration ${registration.index} has no answer`);
      continue;
    }
    const image = state.images.get(answer.imageId);
    same(`image ${answer.imageId} user`, image?.userId, registration.userId);
    same(`image ${answer.imageId} cdn_url`, image?.cdnUrl, registration.imageUrl);
    same(`image ${answer.imageId} status`, image?.status, scan.status === 'failed' ? 'registered' : 'processed');
    compareScan(`scan record ${answer.scanId}`, state.scanRecords.get(answer.scanId), scan, registration.userId, same);
    const document = state.scanDocuments.get(answer.scanId);
    compareScan(`scan document ${answer.scanId}`, document, scan, registration.userId, same);
    same(`scan document ${answer.scanId} image`, document?.imageId, answer.imageId);
    same(`scan document ${answer.scanId} trace id`, document?.traceId, answer.traceId);
    if (scan.characterId !== null) {
      const owned = state.ownershipDocuments.get(`${registration.userId}:${scan.characterId}`);
      same(`ownership document ${registration.userId}:${scan.characterId} source`, owned?.sourceId, answer.scanId);
      same(`ownership document ${registration.userId}:${scan.characterId} name`, owned?.name, nameOf(scan.characterId));
    }
  }
  for (const userId of plan.users) compareUser(userId, plan, expected, state, nameOf, same);
  compareCounts(plan, expected, state, same);
  return found;
}

type Same = (what: string, actual: unknown, wanted: unknown) => void;

function compareScan(what: string, actual: ObservedScan | undefined, wanted: ExpectedScan, userId: string, same: Same): void {
  same(`${what} user`, actual?.userId, userId);
  same(`${what} status`, actual?.status, wanted.status);
  same(`${what} category`, actual?.category, wanted.category);
  same(`${what} reward eligible`, actual?.rewardEligible, wanted.rewardEligible);
  same(`${what} reward status`, actual?.rewardStatus, wanted.rewardStatus);
  same(`${what} reward failure`, actual?.rewardFailureReason ?? null, wanted.failureReason);
}

function compareUser(
  userId: string,
  plan: DemoPlan,
  expected: DemoExpectation,
  state: DemoState,
  nameOf: (id: string) => string,
  same: Same,
): void {
  const wanted = [...(expected.characters.get(userId) ?? [])].sort();
  const list = state.characterLists.get(userId) ?? new Map<string, { name: string; source: string }>();
  same(`Redis list of ${userId}`, [...list.keys()].sort().join(','), wanted.join(','));
  for (const id of wanted) {
    same(`Redis list of ${userId}, name of ${id}`, list.get(id)?.name, nameOf(id));
    same(`Redis list of ${userId}, source of ${id}`, list.get(id)?.source, 'scan');
  }
  same(`Redis ranking of ${userId}`, state.ranking.get(userId) ?? 0, wanted.length);
  same(`ownership rows of ${userId}`, [...(state.ownerships.get(userId) ?? [])].sort().join(','), wanted.join(','));
  same(`profile of ${userId}`, state.profiles.get(userId) ?? 0, wanted.length);
  const scans = (plan.byUser.get(userId) ?? []).map((sent) => expected.scans[sent.index]);
  same(`notifications of ${userId}: profile_updated`, state.deliveries.get(`${userId}:profile_updated`) ?? 0, wanted.length);
  const refused = scans.filter((scan) => scan?.rewardStatus === 'failed').length;
  same(`notifications of ${userId}: reward_failed`, state.deliveries.get(`${userId}:reward_failed`) ?? 0, refused);
  const unread = scans.filter((scan) => scan?.status === 'failed').length;
  same(`notifications of ${userId}: scan_failed`, state.deliveries.get(`${userId}:scan_failed`) ?? 0, unread);
}

function compareCounts(plan: DemoPlan, expected: DemoExpectation, state: DemoState, same: Same): void {
  const granted = expected.scans.filter((scan) => scan.characterId !== null).length;
  same('number of images', state.images.size, plan.registrations.length);
  same('number of scan records', state.scanRecords.size, plan.registrations.length);
  same('number of scan documents', state.scanDocuments.size, plan.registrations.length);
  same('number of ownership documents', state.ownershipDocuments.size, granted);
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
