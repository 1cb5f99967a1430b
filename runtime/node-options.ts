/**
 * What the process of a busy processor or projector is started with. Records in hand outlive several collections of a small young
 * generation, and are copied in each of them. It grows to this size (in MiB, three times over) only under load.
 */
export const BUSY_NODE_OPTIONS: readonly string[] = ['--max-semi-space-size=64'];
