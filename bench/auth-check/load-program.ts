import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { percentile } from '../statistics.ts';
import { endWhenTold, orderOf, reportBack } from '../processing/program-channel.ts';

export interface LoadOrder {
  readonly port: number;
  /** One token a line. */
  readonly tokenFile: string;
  readonly connections: number;
}

export interface LoadPass {
  readonly perSecond: number;
  readonly seconds: number;
}

/** In milliseconds. */
export interface LoadResult {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Between the time at which a request was due and that at which this process came to it: not the API's. */
  readonly late: number;
}

/**
 * Asks at a rate, whatever the answers do: a request that finds no connection free waits for one, and its time runs. It writes and
 * reads the sockets itself: Node's client costs as much as the server that is measured.
 */
const { port, tokenFile, connections } = orderOf<LoadOrder>();
const requests = readFileSync(tokenFile, 'utf8')
  .split('\n')
  .map((token) =>
    Buffer.from(`POST /api/v1/auth/check HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${token}\r\ncontent-length: 0\r\n\r\n`),
  );
const free: Connection[] = [];
const waiting: number[] = [];
let asked = 0;
let times: number[] = [];

class Connection {
  private readonly socket: Socket;
  private begunMs = 0;
  private answer = '';

  constructor() {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.setEncoding('latin1').on('data', (text: string) => this.read(text));
    this.socket.once('close', () => fail('the API has closed a connection'));
    this.socket.once('error', (error) => fail(error.message));
  }

  ask(begunMs: number): void {
    this.begunMs = begunMs;
    this.socket.write(requests[asked++ % requests.length] ?? '');
  }

  private read(text: string): void {
    this.answer += text;
    if (!this.answer.endsWith('\r\n\r\n')) return;
    if (!this.answer.startsWith('HTTP/1.1 200 ')) fail(this.answer);
    this.answer = '';
    times.push(performance.now() - this.begunMs);
    const next = waiting.shift();
    if (next === undefined) free.push(this);
    else this.ask(next);
  }
}

async function pass({ perSecond, seconds }: LoadPass): Promise<LoadResult> {
  times = [];
  const lateness: number[] = [];
  const total = perSecond * seconds;
  const began = performance.now();
  for (let sent = 0; times.length < total;) {
    const nowMs = performance.now();
    for (; sent < total && began + (sent * 1_000) / perSecond <= nowMs; sent += 1) {
      lateness.push(nowMs - (began + (sent * 1_000) / perSecond));
      // In turn: the API closes one that is idle for long.
      const connection = free.shift();
      if (connection === undefined) waiting.push(nowMs);
      else connection.ask(nowMs);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), p999: percentile(times, 0.999), late: percentile(lateness, 0.99) };
}

function fail(words: string): void {
  console.error(words);
  process.exit(1);
}

for (let index = 0; index < connections; index += 1) free.push(new Connection());
endWhenTold(async () => undefined);
process.on('message', (message) => void pass(message as LoadPass).then(reportBack));
