import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** Reads along on one connection. Bytes are shown right before they are passed on, and bytes that never pass are never shown. */
export interface Tap {
  fromClient(bytes: Buffer): void;
  fromServer(bytes: Buffer): void;
  /** Whether the last message that was shown of that side is still unfinished. */
  inMidMessage(side: Side): boolean;
  /** Whether this is a connection of the kind that the tap is made for, and not another one to the same server. */
  readonly isOfInterest: boolean;
}

export type Side = 'client' | 'server';

/** `swallowing`: connections are accepted, and every byte of both sides disappears. `refusing`: connections are closed at once. */
type ProxyState = 'passing' | 'swallowing' | 'refusing';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly tap: Tap;
  /** Its bytes were swallowed: it can never be sound again. */
  poisoned: boolean;
}

/**
 * A network between a client and one server, in which each byte can be read, and which can be broken: cut in the middle of a
 * message, black-holed, slowed down, or deaf for answers. The server may go away and come back at the same address.
 */
export class TappedProxy {
  private readonly target: { readonly host: string; readonly port: number };
  private readonly newTap: () => Tap;
  private readonly links = new Set<Link>();
  private readonly listener = createServer((client) => this.accept(client));
  private state: ProxyState = 'passing';
  private answersHeld = false;
  private answerDelayMs = 0;
  private cut: { readonly side: Side; readonly done: () => void } | undefined;

  private constructor(target: { readonly host: string; readonly port: number }, newTap: () => Tap) {
    this.target = target;
    this.newTap = newTap;
  }

  static async open(target: { readonly host: string; readonly port: number }, newTap: () => Tap): Promise<TappedProxy> {
    const proxy = new TappedProxy(target, newTap);
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  cutAll(): void {
    for (const link of this.links) destroy(link);
  }

  refuse(): void {
    this.state = 'refusing';
    this.cutAll();
  }

  swallow(): void {
    this.state = 'swallowing';
    for (const link of this.links) link.poisoned = true;
  }

  /** New connections work. Those that were black-holed are closed on both sides. */
  heal(): void {
    this.state = 'passing';
    this.answerDelayMs = 0;
    for (const link of this.links) if (link.poisoned) destroy(link);
    this.releaseAnswers();
  }

  /** Requests arrive at the server, and its answers wait here. */
  holdAnswers(): void {
    this.answersHeld = true;
    for (const { server } of this.links) server.pause();
  }

  releaseAnswers(): void {
    this.answersHeld = false;
    for (const { server } of this.links) server.resume();
  }

  /** What the connections of interest say from now on waits in the network. Connections that are made later are not touched. */
  holdRequests(): void {
    for (const { client, tap } of this.links) if (tap.isOfInterest) client.pause();
  }

  /** What waited arrives, also when the one who said it is frozen or dead. */
  releaseRequests(): void {
    for (const { client } of this.links) client.resume();
  }

  delayAnswers(ms: number): void {
    this.answerDelayMs = ms;
  }

  /** Cuts the connection of interest whose given side speaks next, so that its last message ends too early. */
  cutInMidMessage(side: Side): Promise<void> {
    return new Promise((done) => (this.cut = { side, done }));
  }

  async close(): Promise<void> {
    this.cutAll();
    this.listener.close();
    await once(this.listener, 'close');
  }

  private accept(client: Socket): void {
    if (this.state === 'refusing') {
      client.destroy();
      return;
    }
    const link: Link = { client, server: connect(this.target), tap: this.newTap(), poisoned: this.state === 'swallowing' };
    this.links.add(link);
    for (const socket of [link.client, link.server]) {
      socket.setNoDelay(true);
      // What went wrong is said by the close that follows.
      socket.on('error', () => undefined);
      socket.on('close', () => this.closed(link));
    }
    client.on('data', (bytes: Buffer) => this.pass(link, 'client', bytes));
    link.server.on('data', (bytes: Buffer) => {
      if (this.answerDelayMs === 0) this.pass(link, 'server', bytes);
      else setTimeout(() => this.pass(link, 'server', bytes), this.answerDelayMs);
    });
    if (this.answersHeld) link.server.pause();
  }

  private pass(link: Link, side: Side, bytes: Buffer): void {
    if (link.poisoned || !this.links.has(link)) return;
    if (this.cut?.side === side && link.tap.isOfInterest) {
      this.cutHere(link, side, bytes);
      return;
    }
    show(link, side, bytes);
    const [from, to] = side === 'client' ? [link.client, link.server] : [link.server, link.client];
    if (to.write(bytes)) return;
    from.pause();
    to.once('drain', () => {
      if (from !== link.server || !this.answersHeld) from.resume();
    });
  }

  /** Leaves out as little as it takes for the last message to be unfinished. */
  private cutHere(link: Link, side: Side, bytes: Buffer): void {
    const first = bytes.subarray(0, Math.max(1, bytes.length - 4));
    show(link, side, first);
    (side === 'client' ? link.server : link.client).write(first);
    let shown = first.length;
    while (!link.tap.inMidMessage(side) && shown < bytes.length - 1) {
      const next = bytes.subarray(shown, shown + 1);
      show(link, side, next);
      (side === 'client' ? link.server : link.client).write(next);
      shown += 1;
    }
    if (!link.tap.inMidMessage(side)) return;
    this.cut?.done();
    this.cut = undefined;
    // The bytes go out before the connection ends.
    link.client.destroySoon();
    link.server.destroySoon();
    link.poisoned = true;
  }

  /** A black hole tells nobody of an end: the other side learns of it when the network heals. */
  private closed(link: Link): void {
    if (link.poisoned && this.state === 'swallowing') return;
    destroy(link);
    this.links.delete(link);
  }
}

function show(link: Link, side: Side, bytes: Buffer): void {
  if (side === 'client') link.tap.fromClient(bytes);
  else link.tap.fromServer(bytes);
}

function destroy(link: Link): void {
  link.client.destroy();
  link.server.destroy();
}
