/** A member of a JSON object: its name, and where its value lies in the text. */
export interface JsonMember {
  readonly name: string;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The members of a JSON object as places in its bytes, so that a value can be copied as it is written. Undefined for what
 * is not JSON, or not an object.
 */
export function jsonMembers(text: Uint8Array): JsonMember[] | undefined {
  if (!isJsonObject(text)) return undefined;
  // From here on the text is known to be well formed: only brackets, quotes and colons of the outermost level count.
  const members: JsonMember[] = [];
  let at = afterSpace(text, text.indexOf(0x7b) + 1);
  while (text[at] === QUOTE) {
    const nameEnd = afterString(text, at);
    const name = JSON.parse(decoder.decode(text.subarray(at, nameEnd))) as string;
    const valueStart = afterSpace(text, afterSpace(text, nameEnd) + 1);
    const valueEnd = afterValue(text, valueStart);
    members.push({ name, valueStart, valueEnd });
    at = afterSpace(text, afterSpace(text, valueEnd) + 1);
  }
  return members;
}

function isJsonObject(text: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(decoder.decode(text));
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function afterSpace(text: Uint8Array, start: number): number {
  let at = start;
  while (text[at] === 0x20 || text[at] === 0x09 || text[at] === 0x0a || text[at] === 0x0d) at += 1;
  return at;
}

function afterString(text: Uint8Array, start: number): number {
  for (let at = start + 1; ; at += 1) {
    if (text[at] === BACKSLASH) at += 1;
    else if (text[at] === QUOTE) return at + 1;
  }
}

function afterValue(text: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const byte = text[at];
    if (byte === QUOTE) {
      at = afterString(text, at) - 1;
      if (depth === 0) return at + 1;
    } else if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at; // the end of the object around a bare value
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === 0x2c || isSpace(byte))) return at;
  }
  return text.length;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
