/** An S3-compatible store and the key that signs for it. */
export interface ObjectStore {
  /** `https://s3.example`, or with a path in front of the bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** The bucket stands in the path; else in front of the host name. */
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface PresignRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  /** The object's key; its slashes stay slashes. */
  readonly key: string;
  /** Headers that whoever uses the URL must send with exactly these values; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly expiresInSeconds: number;
  /** When it is signed, in milliseconds since 1970. */
  readonly nowMs: number;
}

/** Where the object lies, without a signature. */
export function objectUrl(store: ObjectStore, key: string): string {
  const url = new URL(store.endpoint);
  if (!store.pathStyle) url.host = `${store.bucket}.${url.host}`;
  const base = url.pathname.replace(/\/+$/, '');
  const path = key.split('/').map(encodeURIComponent).join('/');
  url.pathname = store.pathStyle ? `${base}/${store.bucket}/${path}` : `${base}/${path}`;
  return url.href;
}

/**
 * A URL that allows one kind of request to one object for a while (AWS Signature Version 4 in the query). The store checks it;
 * nothing is asked here. What is sent is not part of the signature, but for the headers given.
 */
export async function presignedUrl(store: ObjectStore, request: PresignRequest): Promise<string> {
  // Only now: who signs nothing starts sooner without the library.
  const { AwsV4Signer } = await import('aws4fetch');
  const url = new URL(objectUrl(store, request.key));
  url.searchParams.set('X-Amz-Expires', request.expiresInSeconds.toString());
  const signer = new AwsV4Signer({
    method: request.method,
    url: url.href,
    headers: { ...request.headers },
    accessKeyId: store.accessKeyId,
    secretAccessKey: store.secretAccessKey,
    region: store.region,
    service: 's3',
    datetime: new Date(request.nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    signQuery: true,
    // Content type and length too, which it leaves out by itself.
    allHeaders: true,
  });
  return (await signer.sign()).url.href;
}
