/** The import rule of docs/architecture.md: data goes one way, and so do imports. */
const ROOMS = {
  core: [],
  schemas: ['core'],
  connectors: ['core', 'schemas'],
  processors: ['core', 'schemas'],
  projectors: ['core', 'schemas'],
  runtime: ['core', 'schemas', 'connectors', 'processors', 'projectors'],
  api: ['core', 'schemas', 'runtime', 'connectors', 'processors', 'projectors'],
};

/** Each client library has one home. */
const HOMES = {
  kafkajs: ['runtime/kafka/'],
  '@node-rs/crc32': ['runtime/kafka/'],
  pg: ['runtime/postgres/', 'connectors/replication/'],
  'pg-logical-replication': ['connectors/replication/'],
  ioredis: ['projectors/redis/', 'runtime/redis/'],
  '@elastic/elasticsearch': ['projectors/elasticsearch/'],
  fastify: ['api/'],
  '@fastify/[^/]+': ['api/'],
  pino: ['runtime/telemetry/'],
  'prom-client': ['runtime/telemetry/'],
  '@kafkajs/confluent-schema-registry': ['schemas/'],
  avsc: ['schemas/'],
  commander: ['cli/'],
  undici: ['runtime/calls/', 'demo/'],
  aws4fetch: ['runtime/object-store/'],
};

const TEST_FILES = '(\\.test\\.ts$|^test/|^bench/)';
const rooms = Object.keys(ROOMS).concat('cli', 'stack', 'demo');

const roomRules = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `${room}-imports-only-what-lies-below`,
  severity: 'error',
  comment: `${room} may import ${allowed.length === 0 ? 'nothing' : allowed.join(', ')}`,
  from: { path: `^${room}/`, pathNot: TEST_FILES },
  to: {
    path: `^(${rooms.filter((other) => other !== room && !allowed.includes(other)).join('|')})/`,
    // runtime's composition root and the command line read the table of contents
  },
}));

const homeRules = Object.entries(HOMES).map(([library, homes]) => ({
  name: `${library.replaceAll(/[^a-z-]/g, '')}-has-one-home`,
  severity: 'error',
  comment: `${library} is imported in ${homes.join(' and ')} only`,
  from: {
    path: '^(core|schemas|connectors|processors|projectors|runtime|api|cli|demo)/|^[^/]+\\.ts$',
    pathNot: `${TEST_FILES}|^(${homes.join('|')})`,
  },
  to: { path: `^node_modules/${library}/` },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-imports-nothing',
      severity: 'error',
      from: { path: '^core/', pathNot: TEST_FILES },
      to: { pathNot: '^core/' },
    },
    {
      name: 'pipeline-sees-stages-and-schemas',
      severity: 'error',
      from: { path: '^pipeline\\.ts$' },
      to: { path: '^(runtime|api|cli|stack|demo)/' },
    },
    {
      name: 'stages-do-not-see-the-pipeline',
      severity: 'error',
      from: { path: '^(core|schemas|connectors|processors|projectors|api)/', pathNot: TEST_FILES },
      to: { path: '^pipeline\\.ts$' },
    },
    {
      name: 'nobody-imports-the-stack',
      severity: 'error',
      from: { path: '^(core|schemas|connectors|processors|projectors|runtime|api)/', pathNot: TEST_FILES },
      to: { path: '^(stack|demo|bench|test|cli)/' },
    },
    {
      name: 'nobody-imports-the-benchmarks',
      severity: 'error',
      from: { path: '^(cli|stack|demo)/|^[^/]+\\.ts$', pathNot: TEST_FILES },
      to: { path: '^bench/' },
    },
    {
      name: 'decisions-are-pure',
      severity: 'error',
      comment: 'processors import no client and no node module; uuid v5 is a pure function',
      from: { path: '^processors/', pathNot: TEST_FILES },
      to: { pathNot: '^(core|schemas|processors)/|^node_modules/uuid/' },
    },
    { name: 'nothing-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...roomRules,
    ...homeRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.millrace|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
