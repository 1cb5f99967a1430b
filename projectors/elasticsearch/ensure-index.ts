import { createHash } from 'node:crypto';
import type { Client, estypes } from '@elastic/elasticsearch';
import type { ElasticsearchProjection } from '../../core/define-projection.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Names } from '../../core/names.ts';
import { classifyElasticsearchError } from './classify-elasticsearch-error.ts';
import { VERSIONS_FIELD } from './elasticsearch-documents.ts';

const TEMPLATE_PRIORITY = 200;
const SETTINGS = { number_of_shards: 1, auto_expand_replicas: '0-1', refresh_interval: '1s' } as const;

/**
 * Makes the projection's index template, its index and its alias, and adds fields that the mapping lacks. Returns what it
 * changed, empty the second time. An alias that serves another version is left alone: switching is the rebuild's work.
 * Rejects with ELASTICSEARCH_UNAVAILABLE, or CONFIGURATION_INVALID when what is there cannot become what is declared.
 */
export async function ensureIndex(
  client: Client,
  names: Names,
  projection: ElasticsearchProjection,
  logger: Logger,
): Promise<readonly string[]> {
  const target: Target = {
    alias: names.index(projection.alias),
    index: names.index(`${projection.alias}-v${projection.version}`),
    template: names.index(projection.alias),
    pattern: names.index(`${projection.alias}-v*`),
    mappings: mappingsOf(projection),
  };
  try {
    return [
      ...(await ensureTemplate(client, target, logger)),
      ...(await ensureDocuments(client, target)),
      ...(await ensureAlias(client, target)),
    ];
  } catch (error) {
    throw configurationFault(classifyElasticsearchError(error), target);
  }
}

interface Target {
  readonly alias: string;
  readonly index: string;
  readonly template: string;
  readonly pattern: string;
  readonly mappings: estypes.MappingTypeMapping;
}

/** The fingerprint tells whether a mapping on the server is the declared one, in whatever form the server prints it. */
function mappingsOf(projection: ElasticsearchProjection): estypes.MappingTypeMapping {
  const properties = { ...projection.mapping, [VERSIONS_FIELD]: { type: 'object', enabled: false } };
  const fingerprint = createHash('sha256').update(JSON.stringify(properties)).digest('hex').slice(0, 16);
  return {
    dynamic: 'strict',
    _meta: { projection: projection.name, fingerprint },
    properties: properties as unknown as Record<string, estypes.MappingProperty>,
  };
}

/** For the indices that rebuilds make; it also keeps the server from making one by itself when a write names a missing index. */
async function ensureTemplate(client: Client, target: Target, logger: Logger): Promise<readonly string[]> {
  try {
    const found = await client.indices.getIndexTemplate({ name: target.template }, { ignore: [404] });
    // A server that ignores the 404 answers with an error body.
    const current = (found.index_templates as typeof found.index_templates | undefined)?.[0]?.index_template.template?.mappings;
    if (sameMapping(current, target.mappings)) return [];
    await client.indices.putIndexTemplate({
      name: target.template,
      index_patterns: [target.pattern],
      priority: TEMPLATE_PRIORITY,
      allow_auto_create: false,
      template: { settings: SETTINGS, mappings: target.mappings },
    });
    return [`index template ${target.template} ${current === undefined ? 'created' : 'updated'}`];
  } catch (error) {
    const failure = classifyElasticsearchError(error);
    if (failure.code !== 'DOCUMENT_INVALID') throw failure;
    logger.warn({ template: target.template }, 'the server takes no index template; the index is made without one', failure);
    return [];
  }
}

async function ensureDocuments(client: Client, target: Target): Promise<readonly string[]> {
  if (!(await client.indices.exists({ index: target.index }))) {
    // Another process may have made it in between: 400 resource_already_exists_exception.
    const made = await client.indices.create({ index: target.index, settings: SETTINGS, mappings: target.mappings }, { ignore: [400] });
    return 'error' in made ? raised(await currentMapping(client, target), target) : [`index ${target.index} created`];
  }
  if (sameMapping(await currentMapping(client, target), target.mappings)) return [];
  const { dynamic: _, ...additions } = target.mappings;
  await client.indices.putMapping({ index: target.index, ...additions });
  return [`mapping of ${target.index} updated`];
}

async function currentMapping(client: Client, target: Target): Promise<estypes.MappingTypeMapping | undefined> {
  const found = await client.indices.getMapping({ index: target.index });
  return found[target.index]?.mappings;
}

function raised(current: estypes.MappingTypeMapping | undefined, target: Target): readonly string[] {
  if (sameMapping(current, target.mappings)) return [];
  throw new ClassifiedError('CONFIGURATION_INVALID', `index ${target.index} could not be made as declared`);
}

async function ensureAlias(client: Client, target: Target): Promise<readonly string[]> {
  if (await client.indices.existsAlias({ name: target.alias })) return [];
  await client.indices.putAlias({ index: target.index, name: target.alias });
  return [`alias ${target.alias} → ${target.index}`];
}

function sameMapping(current: estypes.MappingTypeMapping | undefined, declared: estypes.MappingTypeMapping): boolean {
  return current?._meta?.['fingerprint'] === declared._meta?.['fingerprint'];
}

/** What the server refuses as invalid here is a declaration, not a document. */
function configurationFault(error: ClassifiedError, target: Target): ClassifiedError {
  if (error.code !== 'DOCUMENT_INVALID') return error;
  const message = `${target.index} cannot become what is declared (a changed field needs a new version of the projection)`;
  return new ClassifiedError('CONFIGURATION_INVALID', message, { cause: error });
}
