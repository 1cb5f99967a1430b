import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import { build as bundle } from 'esbuild';

const CLONE = dirname(fileURLToPath(import.meta.url));

/** They stay in node_modules: one is native, one is not installed, the others are loaded only by those who use them. */
const NOT_BUNDLED = [
  '@node-rs/crc32',
  'pg-native',
  'protobufjs',
  '@kafkajs/confluent-schema-registry',
  '@elastic/elasticsearch',
  'ioredis',
  'undici',
];

/**
 * What libraries find around them. Those in CommonJS ask for Node's own modules by `require`, which a module does not have. And
 * `pg` finds out whether it runs in a worker of Cloudflare: by its navigator, which Node has from 21 on, or else by making a
 * `Response`, for which Node loads the whole of its HTTP client.
 */
const SURROUNDINGS = [
  "import { createRequire as requireFor } from 'node:module';",
  'const require = requireFor(import.meta.url);',
  "const navigator = globalThis.navigator ?? { userAgent: 'Node.js' };",
].join('\n');

export interface BundleOptions {
  /** The programs' names, with their sources as paths from the clone's root. */
  readonly programs: Readonly<Record<string, string>>;
  /** Where `<name>.js` goes, with the files that the programs share and those that they import only when they need them. */
  readonly folder: string;
  /** What lies beside the sources (migrations, libraries) is looked for here: in the clone, or in a copy of its tree. */
  readonly tree?: string;
}

/** What each program loads when it starts: sources and files of libraries, as paths from the clone's root. */
export type LoadedAtStart = Readonly<Record<string, readonly string[]>>;

/**
 * Puts programs and all that they import, libraries included, into a few files: to find and read some hundred small ones takes a
 * process longer than anything else before its first event. What is imported dynamically is read when it is asked for.
 */
export async function bundlePrograms({ programs, folder, tree = CLONE }: BundleOptions): Promise<LoadedAtStart> {
  const { metafile } = await bundle({
    entryPoints: Object.fromEntries(Object.entries(programs).map(([name, source]) => [name, join(CLONE, source)])),
    absWorkingDir: CLONE,
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    external: NOT_BUNDLED,
    banner: { js: SURROUNDINGS },
    plugins: [inTheirPlaces(folder, tree)],
    metafile: true,
    logLevel: 'error',
  });
  return Object.fromEntries(
    Object.keys(programs).map((name) => [name, loadedAtStart(metafile.outputs, join(relative(CLONE, folder), `${name}.js`))]),
  );
}

/** Sources that look for files beside them, or into a library, do so from where they would lie in the tree. */
function inTheirPlaces(folder: string, tree: string): Plugin {
  return {
    name: 'sources in their places',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path.includes('node_modules')) return undefined;
        const source = await readFile(path, 'utf8');
        if (!source.includes('import.meta.url')) return undefined;
        const place = relative(folder, join(tree, relative(CLONE, path)));
        const contents = source
          // Files of a library that the library's own entry uses as well: there must be one of each.
          .replaceAll(/(?<![.\w])load\('([^']+)'\)/g, "require('$1')")
          .replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`);
        return { contents, loader: 'ts' };
      });
    },
  };
}

interface Import {
  readonly path: string;
  readonly kind: string;
  readonly external?: boolean;
}

type Outputs = Readonly<Record<string, { readonly imports: readonly Import[]; readonly inputs: object } | undefined>>;

function loadedAtStart(outputs: Outputs, program: string): readonly string[] {
  const files = new Set([program]);
  const loaded = new Set<string>();
  for (const file of files) {
    for (const input of Object.keys(outputs[file]?.inputs ?? {})) loaded.add(input);
    for (const { path, kind, external } of outputs[file]?.imports ?? []) {
      if (kind !== 'import-statement') continue;
      if (external !== true) files.add(path);
      else if (!path.startsWith('node:')) loaded.add(join('node_modules', path));
    }
  }
  return [...loaded].sort();
}

/** As a command: the product's own program, beside the compiled tree. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundlePrograms({ programs: { main: 'cli/main.ts' }, folder: join(CLONE, 'dist/bundle'), tree: join(CLONE, 'dist') });
}
