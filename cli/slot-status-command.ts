import { Command } from 'commander';
import { ERRORS } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import { pipelineIn } from '../pipeline.ts';
import type { DomainStanding } from '../runtime/capture-repair.ts';
import { captureStandings } from '../runtime/capture-repair.ts';
import { capturerOf } from '../runtime/capture.ts';
import type { Capturer } from '../runtime/config-settings.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';
import { UsageError } from './exit.ts';

/** Exit codes of `slot status` and `slot repair` beside the common ones. */
export const EXIT_GAP = 3;
export const EXIT_NEEDS_PERSON = 4;

export function slotStatusCommand(): Command {
  return new Command('status')
    .description('whether each slot still follows the source that was captured')
    .option('--domain <domain>', 'only this one')
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Changes nothing. Exit codes: 0 all is well, 1 something could not be looked at, 2 wrong usage or configuration, 3 a gap was found.

Examples:
  millrace slot status
  millrace slot status --domain scan --json`,
    )
    .action(async (options: { domain?: string; json?: true; dataFolder: string }) => {
      const config = settingsIn(options.dataFolder, { connectorPasswords: false });
      const pipeline = pipelineIn(config.timeZone);
      requireDomain(pipeline, options.domain);
      const logger = createLogger({ service: 'millrace-slot', environment: config.environment, level: 'error', format: config.log.format });
      const standings = (await captureStandings(pipeline, config, logger, options.domain)).map((standing) =>
        shown(standing, capturerOf(config, standing.domain)),
      );
      if (options.json === true) console.log(JSON.stringify({ domains: standings }));
      else for (const standing of standings) print(standing);
      if (standings.some(({ error }) => error !== undefined)) process.exitCode = 1;
      else if (standings.some(({ findings }) => findings.length > 0)) process.exitCode = EXIT_GAP;
    });
}

/** @throws UsageError */
export function requireDomain(pipeline: ReturnType<typeof pipelineIn>, domain: string | undefined): void {
  const names = pipeline.domains.filter(({ captured }) => captured).map(({ name }) => name);
  if (domain !== undefined && !names.includes(domain)) throw new UsageError(`no captured domain ${domain}: there are ${names.join(', ')}`);
}

function shown({ domain, slot, owner, assessment, error }: DomainStanding, configured: Capturer) {
  const { remembered, facts, findings = [] } = assessment ?? {};
  return {
    domain,
    slot,
    state: error === undefined ? (findings[0]?.code ?? 'ok') : 'unknown',
    owner,
    configured,
    epoch: remembered?.epoch,
    active: facts?.slot?.active,
    confirmedFlushLsn: facts?.slot?.confirmedFlushLsn === undefined ? undefined : formatLsn(facts.slot.confirmedFlushLsn),
    rememberedFlushLsn: remembered === undefined ? undefined : formatLsn(remembered.flushLsn),
    findings: findings.map(({ code, message }) => ({ code, message, remedy: ERRORS[code].remedy })),
    error: error === undefined ? undefined : { code: error.code, message: error.message, remedy: error.remedy },
  };
}

function print({ domain, state, owner, configured, epoch, active, confirmedFlushLsn, findings, error }: ReturnType<typeof shown>): void {
  const reading = active === true ? `read by ${owner === 'debezium' ? 'Debezium' : 'a relay'}` : 'not read';
  const where = confirmedFlushLsn === undefined ? '' : `, confirmed ${confirmedFlushLsn}`;
  console.log(`${domain.padEnd(14)} ${state.padEnd(22)} epoch ${epoch ?? '-'}, ${reading}${where}`);
  if (owner !== undefined && owner !== configured) {
    console.log(
      `  the slot is ${owner === 'debezium' ? "Debezium's since a handover" : "the relay's"}, and the configuration says ${configured}: ` +
        `set CAPTURE_${domain.toUpperCase()}=${owner}, or run \`millrace slot handover --domain ${domain} --to ${configured}\``,
    );
  }
  for (const { code, message, remedy } of [...findings, ...(error === undefined ? [] : [error])]) {
    console.log(`  ${code}: ${message}\n    ${remedy}`);
  }
}
