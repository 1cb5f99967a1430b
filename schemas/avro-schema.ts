/** The part of Avro that the events use, as it stands in a `.avsc` file. */
export type AvroType = AvroPrimitive | AvroRecord | AvroEnum | AvroArray | AvroMap | readonly AvroType[];
export type AvroPrimitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';

export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly namespace?: string;
  readonly doc?: string;
  readonly fields: readonly AvroField[];
}

export interface AvroField {
  readonly name: string;
  readonly type: AvroType;
  /** A field without a default must be written. */
  readonly default?: null | boolean | number | string;
  readonly doc?: string;
}

export interface AvroEnum {
  readonly type: 'enum';
  readonly name: string;
  readonly namespace?: string;
  readonly symbols: readonly string[];
  readonly default?: string;
  readonly doc?: string;
}

export interface AvroArray {
  readonly type: 'array';
  readonly items: AvroType;
}

export interface AvroMap {
  readonly type: 'map';
  readonly values: AvroType;
}

/** Every version of one event's schema, the oldest first; `latest` is the last of them. */
export interface EventSchemas {
  readonly latest: AvroRecord;
  readonly versions: readonly AvroRecord[];
}
