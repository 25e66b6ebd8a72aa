/** The fields of tensorboard/compat/proto/event.proto and summary.proto that a log of scalars needs. */
export interface TensorBoardEvent {
  /** Seconds since 1970. */
  wallTime: number;
  step?: number;
  /** Field 3: marks the first event of a file. */
  fileVersion?: string;
  /** Field 5: one value of a summary. */
  scalar?: { tag: string; value: number };
  /** Field 7: a run resumes here; TensorBoard drops earlier events of this step and later ones. */
  sessionStart?: boolean;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** SessionLog.SessionStatus.START */
const START = 1;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

const key = (field: number, type: number): Buffer => varint((field << 3) | type);

function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([key(field, BYTES), varint(bytes.length), bytes]);
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, FIXED64), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), bytes]);
}

const varintField = (field: number, value: number): Buffer => Buffer.concat([key(field, VARINT), varint(value)]);

/** Encodes an event as a protocol buffer: fields in the order of their numbers, zeros omitted, as protobuf does. */
export function encodeEvent(event: TensorBoardEvent): Buffer {
  const parts = [doubleField(1, event.wallTime)];
  if (event.step) parts.push(varintField(2, event.step));
  if (event.fileVersion !== undefined) parts.push(bytesField(3, Buffer.from(event.fileVersion)));
  if (event.scalar) {
    const value = Buffer.concat([bytesField(1, Buffer.from(event.scalar.tag)), floatField(2, event.scalar.value)]);
    parts.push(bytesField(5, bytesField(1, value)));
  }
  if (event.sessionStart) parts.push(bytesField(7, varintField(1, START)));
  return Buffer.concat(parts);
}
