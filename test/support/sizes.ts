import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Prints how large the source files are. Advice, not a gate: a long file is asked whether it is one idea. */
const files = execFileSync('git', ['ls-files', '*.ts'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && !/(\.test\.ts$|^test\/|^schemas\/generated\/)/.test(file));
const sizes = files.map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length - 1 })).sort((a, b) => a.lines - b.lines);
const at = (share: number): number => sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * share))]?.lines ?? 0;
process.stdout.write(`source files: ${sizes.length}; lines p50 ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}\n`);
for (const { file, lines } of sizes.filter((size) => size.lines > 400)) process.stdout.write(`  over 400 lines: ${file} (${lines})\n`);
