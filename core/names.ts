/**
 * Every name that the pipeline gives to something on a server, in one place. A namespace (empty by default) sets several
 * deployments apart on shared servers: it prefixes topics, groups, slots, publications, indices and keys.
 */
export class Names {
  readonly namespace: string;

  /** @throws RangeError when the namespace could not be part of every kind of name (slots allow the fewest characters). */
  constructor(namespace = '') {
    if (!/^([a-z][a-z0-9_]{0,20})?$/.test(namespace)) {
      throw new RangeError('namespace: lower-case letters, digits and underscores, at most 21, starting with a letter');
    }
    this.namespace = namespace;
  }

  /** `route` is what follows `events.`: `image.registered`. */
  eventTopic(route: string): string {
    return this.dotted(`events.${route}`);
  }

  processorGroup(domain: string): string {
    return this.dotted(`processor.${domain}`);
  }

  projectionGroup(projection: string, version: number): string {
    return this.dotted(`projection.${projection}.v${version}`);
  }

  deadLetterTopic(topic: string, group: string): string {
    return `${topic}.${group}.dlt`;
  }

  captureDeadLetterTopic(domain: string): string {
    return this.dotted(`capture.${domain}.dlt`);
  }

  /** What the captures of this deployment remember of their sources: compacted, one key per slot and epoch. */
  captureSourcesTopic(): string {
    return this.dotted('capture.sources');
  }

  slot(domain: string): string {
    return this.underscored(`millrace_${domain}`);
  }

  database(domain: string): string {
    return this.underscored(domain);
  }

  publication(domain: string): string {
    return this.underscored(`millrace_${domain}`);
  }

  /** `image-connector`: the one that captures the domain's outbox. */
  connector(domain: string): string {
    return this.dashed(`${domain}-connector`);
  }

  /** The one that captures whole tables of the domain. */
  tableConnector(domain: string): string {
    return this.dashed(`${domain}-cdc-connector`);
  }

  tableSlot(domain: string): string {
    return this.slot(`${domain}_cdc`);
  }

  tablePublication(domain: string): string {
    return this.publication(`${domain}_cdc`);
  }

  /** `topic` is the last word: `ownerships`. */
  tableTopic(domain: string, topic: string): string {
    return this.dotted(`cdc.${domain}.${topic}`);
  }

  redisKey(key: string): string {
    return this.namespace === '' ? key : `${this.namespace}:${key}`;
  }

  /** `alias` is the name that queries use: `scans`. */
  index(alias: string): string {
    return this.dashed(alias);
  }

  subject(topic: string): string {
    return `${topic}-value`;
  }

  private dotted(name: string): string {
    return this.namespace === '' ? name : `${this.namespace}.${name}`;
  }

  private dashed(name: string): string {
    return this.namespace === '' ? name : `${this.namespace}-${name}`;
  }

  private underscored(name: string): string {
    return this.namespace === '' ? name : `${this.namespace}_${name}`;
  }
}

/**
 * The route of an event, by the rule of the topics: `<domain>.<event in snake case without the domain's prefix>`.
 * `('image', 'ImageRegistered')` is `image.registered`, `('my', 'ProfileUpdated')` is `my.profile_updated`.
 */
export function eventRoute(domain: string, type: string): string {
  const snake = type
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
  const prefix = `${domain}_`;
  return `${domain}.${snake.startsWith(prefix) ? snake.slice(prefix.length) : snake}`;
}
