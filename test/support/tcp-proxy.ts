import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** Stands between a client and a server and can stop passing bytes on without a word, as a broken network does. */
export interface TcpProxy {
  /** The target's URL, with the proxy in the place of host and port. */
  readonly url: string;
  /** Connections stay open and carry nothing; new ones are accepted and carry nothing. */
  blackhole(): void;
  /** New connections work again. Those of the black hole stay dead, and the server sees them closed. */
  heal(): void;
  close(): Promise<void>;
}

export async function tcpProxy(target: URL): Promise<TcpProxy> {
  const open = new Set<Socket>();
  const dead = new Set<Socket>();
  let dark = false;
  const track = (socket: Socket): void => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // The other end is told by closing it; nothing else follows from an error here.
    socket.on('error', () => undefined);
  };
  const server = createServer((client) => {
    track(client);
    if (dark) {
      dead.add(client);
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    track(upstream);
    client.pipe(upstream);
    upstream.pipe(client);
    client.on('close', () => {
      if (!dead.has(upstream)) upstream.destroy();
    });
    upstream.on('close', () => {
      if (!dead.has(client)) client.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.toString(),
    blackhole: () => {
      dark = true;
      for (const socket of open) {
        dead.add(socket);
        socket.unpipe();
        socket.pause();
      }
    },
    heal: () => {
      dark = false;
      for (const socket of dead) socket.destroy();
      dead.clear();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
