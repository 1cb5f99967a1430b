import type { Command } from 'commander';

/** In the order of the help. A command is loaded when it is called: a relay does not wait for the clients of the demo. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start-command.ts')).startCommand(),
  init: async () => (await import('./init-command.ts')).initCommand(),
  apply: async () => (await import('./apply-command.ts')).applyCommand(),
  run: async () => (await import('./run-command.ts')).runCommand(),
  slot: async () => (await import('./slot-command.ts')).slotCommand(),
  connect: async () => (await import('./connect-command.ts')).connectCommand(),
  dlt: async () => (await import('./dlt-command.ts')).dltCommand(),
  stack: async () => (await import('./stack-command.ts')).stackCommand(),
  parked: async () => (await import('./parked-command.ts')).parkedCommand(),
  aggregate: async () => (await import('./aggregate-command.ts')).aggregateCommand(),
  trace: async () => (await import('./trace-command.ts')).traceCommand(),
  flows: async () => (await import('./flows-command.ts')).flowsCommand(),
  token: async () => (await import('./token-command.ts')).tokenCommand(),
  demo: async () => (await import('./demo-command.ts')).demoCommand(),
};
