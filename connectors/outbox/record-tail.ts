import { CONTENT_TYPE_AVRO, CONTENT_TYPE_JSON, LOGICAL_MESSAGE_HEADER } from '../../core/envelope.ts';
import type { Header } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import type { RecordTail } from './batch-records.ts';
import { copyBytes } from './copy-bytes.ts';
import { OCCURRED_AT_BYTES, isUtcText, occurredAt, writeUtcText } from './occurred-at.ts';
import type { OutboxRow } from './outbox-row.ts';
import { COLUMN, OUTBOX_COLUMNS } from './outbox-row.ts';
import { HEADER_COLUMNS } from './route.ts';
import { varintBytes, writeVarint } from './varint.ts';

/** A value as it lies somewhere: `bytes[start, start + length)`, or as text in hexadecimal digits of which it has `length` pairs. */
export interface EventValue {
  bytes: Buffer;
  start: number;
  length: number;
  isHex: boolean;
  /** The whole `content-type` header, laid out. */
  contentType: Buffer;
}

const NAMES = OUTBOX_COLUMNS.slice(0, HEADER_COLUMNS).map((name) => sized(name));
const OCCURRED_AT = Buffer.concat([sized('occurred_at'), varint(OCCURRED_AT_BYTES)]);
const LOGICAL_MESSAGE = Buffer.concat([sized(LOGICAL_MESSAGE_HEADER), sized('true')]);
const contentTypes = new Map<string, Buffer>();

/** The `content-type` header as it stands in a record; one of few, made once. */
export function contentTypeHeader(contentType: string): Buffer {
  const known = contentTypes.get(contentType);
  if (known !== undefined) return known;
  const made = Buffer.concat([sized('content-type'), sized(contentType)]);
  contentTypes.set(contentType, made);
  return made;
}

/** A payload that was framed when it was appended is copied; its first byte tells what it is. */
export function framedContentType(firstByte: number | undefined): string {
  return firstByte === 0 ? CONTENT_TYPE_AVRO : CONTENT_TYPE_JSON;
}

/** Bytes of the tail of an event that `routeRow` has let pass. */
export function eventTailBytes(row: OutboxRow, value: EventValue): number {
  const key = row.lengthOf(COLUMN.aggregateid);
  let bytes = varintBytes(key) + key + varintBytes(value.length) + value.length;
  let headers = row.isTableless ? 3 : 2;
  if (row.isTableless) bytes += LOGICAL_MESSAGE.length;
  for (let column = 0; column < HEADER_COLUMNS; column += 1) {
    const length = row.lengthOf(column);
    if (length < 0) continue;
    headers += 1;
    bytes += (NAMES[column]?.length ?? 0) + varintBytes(length) + length;
  }
  return bytes + varintBytes(headers) + OCCURRED_AT.length + OCCURRED_AT_BYTES + value.contentType.length;
}

/** Writes the tail of an event by the rule of route.ts: key, value, headers. Returns where the next byte goes. */
export function writeEventTail(target: Buffer, start: number, row: OutboxRow, value: EventValue): number {
  let at = writeColumn(target, start, row, COLUMN.aggregateid, row.lengthOf(COLUMN.aggregateid));
  at = writeVarint(target, at, value.length);
  at = value.isHex ? writeHex(target, at, value) : copyBytes(target, at, value.bytes, value.start, value.length);
  let headers = row.isTableless ? 3 : 2;
  for (let column = 0; column < HEADER_COLUMNS; column += 1) if (row.lengthOf(column) >= 0) headers += 1;
  at = writeVarint(target, at, headers);
  for (let column = 0; column < HEADER_COLUMNS; column += 1) {
    const length = row.lengthOf(column);
    const name = NAMES[column];
    if (length < 0 || name === undefined) continue;
    at = copyBytes(target, at, name, 0, name.length);
    at = writeColumn(target, at, row, column, length);
  }
  at = copyBytes(target, at, OCCURRED_AT, 0, OCCURRED_AT.length);
  at = writeOccurredAt(target, at, row);
  at = copyBytes(target, at, value.contentType, 0, value.contentType.length);
  return row.isTableless ? copyBytes(target, at, LOGICAL_MESSAGE, 0, LOGICAL_MESSAGE.length) : at;
}

/** Bytes of any record's tail. */
export function tailBytes({ key, value, headers }: RecordTail): number {
  let bytes = sizedBytes(key) + sizedBytes(value) + varintBytes(headers.length);
  for (const [name, header] of headers) bytes += sized(name).length + sizedBytes(header);
  return bytes;
}

export function writeTail(target: Buffer, start: number, { key, value, headers }: RecordTail): number {
  let at = writeSized(target, writeSized(target, start, key), value);
  at = writeVarint(target, at, headers.length);
  for (const header of headers) at = writeHeader(target, at, header);
  return at;
}

function writeHeader(target: Buffer, at: number, [name, value]: Header): number {
  return writeSized(target, writeSized(target, at, utf8(name)), value);
}

function writeColumn(target: Buffer, at: number, row: OutboxRow, column: number, length: number): number {
  return copyBytes(target, writeVarint(target, at, length), row.bytes, row.startOf(column), length);
}

function writeOccurredAt(target: Buffer, at: number, row: OutboxRow): number {
  const [start, length] = [row.startOf(COLUMN.created_at), row.lengthOf(COLUMN.created_at)];
  if (isUtcText(row.bytes, start, length)) return writeUtcText(target, at, row.bytes, start, length);
  const iso = Buffer.from(occurredAt(row.bytes.subarray(start, start + length)));
  return copyBytes(target, at, iso, 0, iso.length);
}

const HEX_VALUES = new Uint8Array(256);
for (let digit = 0; digit < 16; digit += 1) {
  HEX_VALUES[digit.toString(16).charCodeAt(0)] = digit;
  HEX_VALUES[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

function writeHex(target: Buffer, at: number, { bytes, start, length }: EventValue): number {
  for (let index = 0; index < length; index += 1) target[at + index] = hexByte(bytes, start + 2 * index);
  return at + length;
}

/** The byte that two hexadecimal digits stand for. */
export function hexByte(text: Uint8Array, at: number): number {
  return ((HEX_VALUES[text[at] ?? 0] ?? 0) << 4) | (HEX_VALUES[text[at + 1] ?? 0] ?? 0);
}

function sizedBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length;
}

function writeSized(target: Buffer, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarint(target, at, -1);
  const next = writeVarint(target, at, bytes.length);
  target.set(bytes, next);
  return next + bytes.length;
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

function sized(text: string): Buffer {
  const bytes = utf8(text);
  return Buffer.concat([varint(bytes.length), bytes]);
}
