import type { KafkaJsConnection } from './kafkajs-internals.ts';

/** Below it, one piece of memory and one plain write cost less than a write of many pieces. */
const COPIED_BYTES_MAX = 65_536;

interface RawRequest {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  /** Written one after the other; what is large is not copied: not to be touched before the answer is there. */
  readonly body: readonly Uint8Array[];
}

/**
 * Sends a request whose body is finished bytes, and resolves with the bytes of the answer. kafkajs's own way
 * (`connection.send`) copies a body twice into zeroed buffers of the next power of two; its queue of requests, which finds the
 * answer and ends requests with the connection, is used as it is.
 */
export function sendRawRequest(connection: KafkaJsConnection, { apiKey, apiName, apiVersion, body }: RawRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const correlationId = connection.nextCorrelationId();
    const head = requestHead({ apiKey, apiVersion, correlationId, clientId: connection.clientId, body });
    connection.requestQueue.push({
      entry: {
        apiKey,
        apiName,
        apiVersion,
        correlationId,
        resolve: ({ payload }) => {
          resolve(payload);
        },
        reject,
      },
      expectResponse: true,
      requestTimeout: null,
      sendRequest: () => {
        const { socket } = connection;
        if (socket === undefined) throw new Error('the connection has no socket');
        const bytes = head.length + bytesOf(body);
        if (bytes <= COPIED_BYTES_MAX) {
          socket.write(Buffer.concat([head, ...body], bytes));
          return;
        }
        socket.cork();
        socket.write(head);
        for (const piece of body) socket.write(piece);
        socket.uncork();
      },
    });
  });
}

/** Size INT32, api_key INT16, api_version INT16, correlation_id INT32, client_id STRING. */
function requestHead(request: {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string;
  readonly body: readonly Uint8Array[];
}): Buffer {
  const clientIdBytes = Buffer.byteLength(request.clientId);
  const head = Buffer.alloc(14 + clientIdBytes);
  head.writeInt32BE(head.length - 4 + bytesOf(request.body), 0);
  head.writeInt16BE(request.apiKey, 4);
  head.writeInt16BE(request.apiVersion, 6);
  head.writeInt32BE(request.correlationId, 8);
  head.writeInt16BE(clientIdBytes, 12);
  head.write(request.clientId, 14);
  return head;
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
