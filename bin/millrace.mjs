#!/usr/bin/env node
import { existsSync } from 'node:fs';
import module from 'node:module';

// From Node 22 on, what was compiled once is not compiled again.
module.enableCompileCache?.();

// A built package runs its JavaScript; a checkout runs its TypeScript.
const built = new URL('../dist/bundle/main.js', import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  const { register } = await import('tsx/esm/api');
  register();
  await import(new URL('../cli/main.ts', import.meta.url).href);
}
