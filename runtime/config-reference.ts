import { readFileSync, writeFileSync } from 'node:fs';
import { SETTINGS } from './config-settings.ts';

/** Makes docs/configuration.md from the settings; with `--check` it only says whether the page is up to date. */
const PAGE = new URL('../docs/configuration.md', import.meta.url);
const SECRET = /(PASSWORD|SECRET|SIGNING_KEY|API_KEY|POSTGRES_URL|CAPTURE_URL|REDIS_URL|ELASTICSEARCH_URL)/;

function render(): string {
  const rows = Object.entries(SETTINGS).map(([name, { schema, text }]) => {
    const fallback = schema.safeParse(undefined);
    const shown = !fallback.success ? 'required' : fallback.data === undefined ? '' : `\`${show(fallback.data)}\``;
    const secret = SECRET.test(name) && !name.endsWith('_REFERENCE') ? ' May hold a secret.' : '';
    return `| \`${name}\` | ${shown} | ${text}${secret} |`;
  });
  return `# Configuration

Made by \`npm run generate\` from \`runtime/config-settings.ts\`. Do not edit.

Settings are read once, from the environment and from the JSON file that \`MILLRACE_CONFIG_FILE\` names (the same names, the
environment wins). Without that variable the command line reads \`.millrace/config.json\` where \`millrace start\` left one. \`<NAME>_FILE\` names a file that holds the value, for secrets. All faults are reported together, by name
and without values, and the process ends with exit code 2. The API needs one of \`AUTH_JWKS_URL\`, \`AUTH_PUBLIC_KEY\` or, for
development, \`AUTH_DEVELOPMENT_SECRET\`.

The local stack reads one variable of its own: \`MILLRACE_CACHE\`, the folder in which downloaded servers are kept for all
clones (default: \`XDG_CACHE_HOME/millrace\`, \`~/.cache/millrace\`, or \`/var/cache/millrace\` for root). Where servers have certificates of
an authority of your own, Node's \`NODE_EXTRA_CA_CERTS\` names its file.

| setting | default | what it is |
|---|---|---|
${rows.join('\n')}
`;
}

function show(value: unknown): string {
  if (value === '') return '(empty)';
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(',');
  return String(value);
}

const page = render();
if (process.argv.includes('--check')) {
  if (readFileSync(PAGE, 'utf8') !== page) {
    process.stderr.write('docs/configuration.md is out of date: run `npm run generate`\n');
    process.exitCode = 1;
  }
} else {
  writeFileSync(PAGE, page);
}
