import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { ClassifiedError } from '../core/errors.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import type { WalVerdict } from '../connectors/replication/wal-budget.ts';
import { judgeWal } from '../connectors/replication/wal-budget.ts';
import type { ServerSlot, WalPin } from '../connectors/replication/wal-facts.ts';
import { readServerWal, slotWal } from '../connectors/replication/wal-facts.ts';
import { holderSentence, walHolder } from '../connectors/replication/wal-holder.ts';
import { slotsOf } from './compose.ts';
import type { Config } from './config.ts';
import { captureUrl } from './database-url.ts';

/** What an operator asks about one domain's slot. */
export interface SlotWalReport extends WalVerdict {
  readonly domain: string;
  readonly slotName: string;
  /** Undefined when it does not exist. */
  readonly slot: ServerSlot | undefined;
  /** Who keeps the log that the slot holds back, as a sentence. */
  readonly heldBy: string | undefined;
  /** False: the server has no `max_slot_wal_keep_size`, the budget is a setting of ours. */
  readonly limitedByServer: boolean;
  readonly pins: readonly WalPin[];
  readonly seesTransactions: boolean;
  /** Slots on the server that this pipeline did not make. */
  readonly unknownSlots: readonly ServerSlot[];
  readonly replicationRoles: readonly string[];
}

/** @throws ClassifiedError CONFIGURATION_INVALID for a domain without capture, POSTGRES_UNAVAILABLE. */
export async function readSlotWal(pipeline: PipelineDefinition, config: Config, domain: string): Promise<SlotWalReport> {
  if (!pipeline.domains.some(({ name, captured }) => captured && name === domain)) {
    const known = pipeline.domains.filter(({ captured }) => captured).map(({ name }) => name);
    throw new ClassifiedError('CONFIGURATION_INVALID', `no domain ${domain} is captured; there are ${known.join(', ')}`);
  }
  const server = await withSqlSession(captureUrl(config, domain), readServerWal);
  const slotName = config.names.slot(domain);
  const isOurs = slotsOf(pipeline, config.names);
  return {
    domain,
    slotName,
    slot: server.slots.find(({ name }) => name === slotName),
    ...judgeWal(slotWal(server, slotName), config.capture.walBudget),
    heldBy: holderSentence(walHolder(server, slotName)),
    limitedByServer: server.limitBytes !== undefined,
    pins: server.pins,
    seesTransactions: server.seesTransactions,
    unknownSlots: server.slots.filter(({ name }) => !isOurs(name)),
    replicationRoles: server.replicationRoles,
  };
}
