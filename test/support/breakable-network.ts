import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** `cut`: refused and closed. `stalled`: open and silent. `deaf`: requests arrive, answers do not. */
export type NetworkState = 'open' | 'cut' | 'stalled' | 'deaf';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Stays silent whatever the network becomes, until it is released. */
  stranded: boolean;
}

/**
 * All connections of one client to whatever server it wants, and a hand on the plug. A client of Kafka connects to the
 * addresses that the brokers advertise, so that a proxy alone is not enough: the client is given `socketFactory`.
 */
export class BreakableNetwork {
  private readonly links = new Set<Link>();
  private readonly proxy = createServer({ pauseOnConnect: true }, (client) => {
    this.accept(client);
  });
  private readonly targets = new Map<number, { host: string; port: number }>();
  private state: NetworkState = 'open';

  async open(): Promise<this> {
    this.proxy.listen(0, '127.0.0.1');
    await once(this.proxy, 'listening');
    return this;
  }

  async close(): Promise<void> {
    this.cutLinks();
    this.proxy.close();
    await once(this.proxy, 'close');
  }

  become(state: NetworkState): void {
    this.state = state;
    if (state === 'cut') this.cutLinks();
    for (const link of this.links) this.apply(link);
  }

  /** The connections of now fall silent; new ones are not touched. What is written to them waits on the way. */
  strandLinks(): void {
    for (const link of this.links) {
      link.stranded = true;
      this.apply(link);
    }
  }

  /** What waited on the way goes on, although its sender has given the connection up. Resolves when it has arrived. */
  async releaseStranded(): Promise<void> {
    const stranded = [...this.links].filter((link) => link.stranded);
    const arrived = stranded.map(({ server }) => once(server, 'close'));
    for (const link of stranded) {
      link.stranded = false;
      this.apply(link);
    }
    await Promise.all(arrived);
  }

  readonly socketFactory = ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }): Socket => {
    const socket = connect({ host: '127.0.0.1', port: (this.proxy.address() as AddressInfo).port });
    socket.on('connect', () => {
      this.targets.set((socket.address() as AddressInfo).port, { host, port });
      onConnect();
    });
    return socket;
  };

  private accept(client: Socket): void {
    const target = this.targets.get(client.remotePort ?? 0);
    if (target === undefined) {
      // The client has not noted yet where it wants to go.
      setImmediate(() => {
        this.accept(client);
      });
      return;
    }
    this.targets.delete(client.remotePort ?? 0);
    if (this.state === 'cut') {
      client.destroy();
      return;
    }
    const link = { client, server: connect(target), stranded: false };
    this.links.add(link);
    const [from, to] = [link.client, link.server];
    from.on('data', (data: Buffer) => to.write(data));
    to.on('data', (data: Buffer) => from.write(data));
    for (const socket of [from, to]) {
      // What went wrong is said by the close that follows.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.links.delete(link);
        from.destroy();
        to.destroy();
      });
    }
    this.apply(link);
  }

  private apply({ client, server, stranded }: Link): void {
    if (stranded || this.state === 'stalled') client.pause();
    else client.resume();
    if (!stranded && this.state === 'open') server.resume();
    else server.pause();
  }

  private cutLinks(): void {
    for (const { client, server } of this.links) {
      client.destroy();
      server.destroy();
    }
  }
}
