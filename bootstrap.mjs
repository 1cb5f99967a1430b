// The first thing that runs on a fresh clone: plain Node, nothing installed yet. It checks Node, installs the
// dependencies when they are missing or older than the lock file, and hands over to the real command.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const clone = dirname(fileURLToPath(import.meta.url));
const NODE_AT_LEAST = [20, 19];
/** npm runs us below a shell that dies on SIGTERM without a word: an orphan stops as if it had been told to. */
const PARENT_LOOK_MS = 500;
/** npm forwards Ctrl-C to us, and the terminal sends it too: two within this time are one. */
const SAME_KEYPRESS_MS = 1000;

const TESTS = ['--import', 'tsx', 'stack/run-tests.ts'];

/** What each verb runs, with `node`, in the clone. */
const VERBS = {
  start: ['--import', 'tsx', 'cli/main.ts', 'start'],
  demo: ['--import', 'tsx', 'cli/main.ts', 'demo'],
  bench: ['--import', 'tsx', 'bench/main.ts'],
  millrace: ['--import', 'tsx', 'cli/main.ts'],
  test: TESTS,
  'test:fault': [...TESTS, '--long', 'fault'],
};

await main(process.argv[2] ?? '', process.argv.slice(3));

async function main(verb, args) {
  requireNode();
  const command = VERBS[verb];
  if (command === undefined) return fail(`usage: node bootstrap.mjs ${Object.keys(VERBS).join('|')} [arguments]`, 2);
  await installDependencies();
  process.exitCode = await run(process.execPath, [...command, ...args]);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = NODE_AT_LEAST;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  fail(
    `Millrace needs Node ${NODE_AT_LEAST.join('.')} or newer, and this is Node ${process.versions.node}. Install a newer one and run this again.`,
    2,
  );
}

/** The marker holds the lock file's fingerprint and is written last: an interrupted installation is done again. */
async function installDependencies() {
  const marker = join(clone, 'node_modules', '.millrace-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(clone, 'package-lock.json')))
    .digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return;
  if (installedByHand()) return;
  // Standard output belongs to the command: somebody may read it as data.
  console.error('Installing dependencies (npm ci) ...');
  const code = await run(npm(), ['ci', '--no-audit', '--no-fund'], { shell: process.platform === 'win32', stdio: ['inherit', 2, 2] });
  if (code !== 0) fail(`npm ci ended with ${code}; its own words are above.`, code);
  writeFileSync(marker, wanted);
}

/** npm notes what it has installed in a file of its own: newer than the lock file means complete. */
function installedByHand() {
  const noted = join(clone, 'node_modules', '.package-lock.json');
  return existsSync(noted) && sameVersions(noted);
}

function sameVersions(noted) {
  const versions = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const wanted = versions(join(clone, 'package-lock.json'));
  const present = versions(noted);
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional === true || present[path]?.version === version,
  );
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

/**
 * Runs a command to its end with our terminal and resolves with its exit code. It has a process group of its own, so that a
 * signal reaches it exactly once: from here, whether it came from the keyboard, from npm or from `kill`.
 */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: clone, stdio: 'inherit', detached: process.platform !== 'win32', ...options });
    const release = passSignals(child);
    child.once('error', (error) => {
      release();
      console.error(`${command} does not run: ${error.message}`);
      resolve(1);
    });
    child.once('exit', (code, signal) => {
      release();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

function passSignals(child) {
  let last = { signal: '', at: 0 };
  const pass = (signal) => {
    const now = Date.now();
    const again = last.signal === signal && now - last.at < SAME_KEYPRESS_MS;
    last = { signal, at: now };
    if (!again) child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, pass);
  const parent = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(look);
    pass('SIGTERM');
  }, PARENT_LOOK_MS);
  return () => {
    clearInterval(look);
    signals.forEach((signal) => process.off(signal, pass));
  };
}

function fail(message, code) {
  console.error(message);
  process.exit(code);
}
