import type { TableCapture } from '../../core/define.ts';
import type { Names } from '../../core/names.ts';
import type { Chain, Connector, ConnectorDatabase } from './connector.ts';
import { chainConfig, escaped, reroute, sourceConfig, topicMatches } from './connector.ts';

export interface TableConnectorOptions {
  readonly domain: string;
  readonly names: Names;
  readonly database: ConnectorDatabase;
  readonly tables: readonly TableCapture[];
  readonly failoverSlot: boolean;
}

/**
 * Whole tables as `cdc.*` topics: Debezium's change envelope as JSON without schemas, keyed by the text of one column. The
 * first time, and after a slot was lost, every row is published as read (`op: r`); so a topic is never silently half full.
 */
export function tableConnector({ domain, names, database, tables, failoverSlot }: TableConnectorOptions): Connector {
  const name = names.tableConnector(domain);
  return {
    name,
    config: {
      ...sourceConfig({
        name,
        database,
        slot: names.tableSlot(domain),
        failoverSlot,
        publication: names.tablePublication(domain),
        tables: tables.map(({ table }) => `${domain}.${table}`),
      }),
      'snapshot.mode': 'when_needed',
      'message.key.columns': tables.map(({ table, keyField }) => `${escaped(`${domain}.${table}`)}:${keyField}`).join(';'),
      'decimal.handling.mode': 'string',
      'time.precision.mode': 'isostring',
      'binary.handling.mode': 'base64',
      'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable': 'false',
      'header.converter': 'org.apache.kafka.connect.storage.StringConverter',
      ...chainConfig(chain(name, domain, names, tables)),
    },
  };
}

/** Debezium names a topic `<prefix>.<schema>.<table>` and keys it by a structure; both get the pipeline's form. */
function chain(prefix: string, domain: string, names: Names, tables: readonly TableCapture[]): Chain {
  const madeBy = ({ table }: TableCapture): string => escaped(`${prefix}.${domain}.${table}`);
  const keyFields = [...new Set(tables.map(({ keyField }) => keyField))];
  return {
    transforms: [
      ...keyFields.map((field): Chain['transforms'][number] => [
        `key_${field}`,
        { type: 'org.apache.kafka.connect.transforms.ExtractField$Key', field, predicate: `keyed_by_${field}` },
      ]),
      ...tables.map((table): Chain['transforms'][number] => [
        `to_${table.topic}`,
        reroute(madeBy(table), names.tableTopic(domain, table.topic)),
      ]),
    ],
    predicates: Object.fromEntries(
      keyFields.map((field) => [
        `keyed_by_${field}`,
        topicMatches(
          tables
            .filter(({ keyField }) => keyField === field)
            .map(madeBy)
            .join('|'),
        ),
      ]),
    ),
  };
}
