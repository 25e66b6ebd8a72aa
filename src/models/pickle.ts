/** Values that a restricted pickle may build. Lists and tuples are arrays, dicts are Maps. */
export type PickleValue =
  null | boolean | number | bigint | string | PickleValue[] | Map<string | number, PickleValue> | PickleObject;

/** Base class of the objects that allowed globals build. */
export abstract class PickleObject {}

/** A name that a pickle may use; `call` builds a value from plain arguments. */
export class PickleGlobal extends PickleObject {
  constructor(
    readonly name: string,
    readonly call: (args: PickleValue[]) => PickleValue,
  ) {
    super();
  }
}

export interface PickleHandlers {
  /** The allowed global, or undefined to refuse the file. */
  findGlobal(module: string, name: string): PickleGlobal | undefined;
  /** Resolves a persistent id. */
  persistentLoad(id: PickleValue): PickleValue;
}

/** The content is not a supported pickle; the caller adds the file name. */
export class PickleError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** The buffer ends before the pickle: the caller may read more bytes. */
export class PickleTruncated extends PickleError {}

/** A state dict of BERT-large needs some 20,000 opcodes and 5,000 memo entries. */
const MAX_STACK = 1_000_000;
const MAX_MEMO = 1_000_000;
const MAX_MARKS = 1_000;
const MAX_INTEGER_BYTES = 64;

/**
 * Reads one pickle (protocols 0 to 4, the opcodes that PyTorch's state dicts need) from `buffer` at `start`. It builds
 * only plain values: globals come from `handlers`, and any opcode that could create or call anything else is an error.
 * Time and memory are linear in the bytes read.
 */
export function readPickle(
  buffer: Buffer,
  start: number,
  handlers: PickleHandlers,
): { value: PickleValue; end: number } {
  const machine = new PickleMachine(buffer, start, handlers);
  return { value: machine.run(), end: machine.position };
}

class PickleMachine {
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #buffer: Buffer;
  readonly #handlers: PickleHandlers;
  position: number;

  constructor(buffer: Buffer, position: number, handlers: PickleHandlers) {
    this.#buffer = buffer;
    this.position = position;
    this.#handlers = handlers;
  }

  run(): PickleValue {
    for (;;) {
      const at = this.position;
      const opcode = this.#uint(1);
      if (opcode === 0x2e /* STOP */) return this.#pop();
      if (!this.#pushScalar(opcode) && !this.#pushContainer(opcode) && !this.#runMemoOrObject(opcode)) {
        const shown = opcode > 0x20 && opcode < 0x7f ? `'${String.fromCharCode(opcode)}'` : `0x${opcode.toString(16)}`;
        throw new PickleError(`pickle opcode ${shown} at byte ${at} is not one that weight files need`);
      }
      if (this.#stack.length > MAX_STACK) throw new PickleError(`pickle stack grows past ${MAX_STACK} values`);
    }
  }

  /** Numbers, strings, constants and frames. */
  #pushScalar(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        if (this.#uint(1) > 5) throw new PickleError('pickle protocol is newer than 5');
        return true;
      case 0x95: // FRAME: a hint for buffering
        this.#bytes(8);
        return true;
      case 0x4e:
        return this.#push(null);
      case 0x88:
        return this.#push(true);
      case 0x89:
        return this.#push(false);
      case 0x4a: // BININT
        return this.#push(this.#bytes(4).readInt32LE());
      case 0x4b: // BININT1
        return this.#push(this.#uint(1));
      case 0x4d: // BININT2
        return this.#push(this.#uint(2));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#uint(1)));
      case 0x8b: // LONG4
        return this.#push(this.#long(this.#uint(4)));
      case 0x47: // BINFLOAT
        return this.#push(this.#bytes(8).readDoubleBE());
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#uint(4)));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#uint(1)));
      case 0x54: // BINSTRING, Python 2's str
        return this.#push(this.#text(this.#uint(4)));
      case 0x55: // SHORT_BINSTRING
        return this.#push(this.#text(this.#uint(1)));
      default:
        return false;
    }
  }

  #pushContainer(opcode: number): boolean {
    switch (opcode) {
      case 0x28: // MARK
        if (this.#marks.length >= MAX_MARKS) throw new PickleError(`pickle is nested deeper than ${MAX_MARKS}`);
        this.#marks.push(this.#stack.length);
        return true;
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map());
      case 0x5d: // EMPTY_LIST
        return this.#push([]);
      case 0x29: // EMPTY_TUPLE
        return this.#push([]);
      case 0x74: // TUPLE
        return this.#push(this.#popToMark());
      case 0x85: // TUPLE1
        return this.#push(this.#popMany(1));
      case 0x86: // TUPLE2
        return this.#push(this.#popMany(2));
      case 0x87: // TUPLE3
        return this.#push(this.#popMany(3));
      case 0x61: // APPEND
        return this.#append(this.#popMany(1));
      case 0x65: // APPENDS
        return this.#append(this.#popToMark());
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark());
      default:
        return false;
    }
  }

  #runMemoOrObject(opcode: number): boolean {
    switch (opcode) {
      case 0x71: // BINPUT
        return this.#memoize(this.#uint(1));
      case 0x72: // LONG_BINPUT
        return this.#memoize(this.#uint(4));
      case 0x94: // MEMOIZE
        return this.#memoize(this.#memo.size);
      case 0x68: // BINGET
        return this.#push(this.#recall(this.#uint(1)));
      case 0x6a: // LONG_BINGET
        return this.#push(this.#recall(this.#uint(4)));
      case 0x30: // POP
        this.#pop();
        return true;
      case 0x63: // GLOBAL
        return this.#pushGlobal(this.#line(), this.#line());
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        // never String(x): a list may hold the same list many times
        if (typeof module !== 'string' || typeof name !== 'string') {
          throw new PickleError('the pickle names a global by something that is not text');
        }
        return this.#pushGlobal(module, name);
      }
      case 0x51: // BINPERSID
        return this.#push(this.#handlers.persistentLoad(this.#pop()));
      case 0x52: // REDUCE
        return this.#reduce();
      case 0x62: // BUILD
        return this.#build();
      default:
        return false;
    }
  }

  #pushGlobal(module: string, name: string): true {
    const found = this.#handlers.findGlobal(module, name);
    if (found) return this.#push(found);
    throw new PickleError(
      `the pickle asks for the Python global ${JSON.stringify(`${module}.${name}`.slice(0, 200))}, which weight files do not need`,
      'Python might run code when it loads this file. Do not trust it; get the weights as model.safetensors.',
    );
  }

  #reduce(): true {
    const args = this.#pop();
    const callee = this.#pop();
    if (!(callee instanceof PickleGlobal) || !Array.isArray(args)) {
      throw new PickleError('the pickle calls something that is not an allowed global');
    }
    return this.#push(callee.call(args));
  }

  /** Drops attributes: weight files have only an OrderedDict's `_metadata` (module versions). */
  #build(): true {
    const state = this.#pop();
    const target = this.#peek();
    if (!(target instanceof Map) || !(state instanceof Map)) {
      throw new PickleError('the pickle sets attributes of something that is not a dict');
    }
    return true;
  }

  #append(items: PickleValue[]): true {
    const list = this.#peek();
    if (!Array.isArray(list)) throw new PickleError('the pickle appends to something that is not a list');
    for (const item of items) list.push(item);
    if (list.length > MAX_STACK) throw new PickleError(`a pickled list grows past ${MAX_STACK} values`);
    return true;
  }

  #setItems(items: PickleValue[]): true {
    const target = this.#peek();
    if (!(target instanceof Map) || items.length % 2 !== 0) {
      throw new PickleError('the pickle sets items of something that is not a dict');
    }
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== 'string' && typeof key !== 'number') {
        throw new PickleError('a pickled dict has a key that is neither text nor number');
      }
      target.set(key, items[i + 1] as PickleValue);
    }
    return true;
  }

  #memoize(index: number): true {
    if (this.#memo.size >= MAX_MEMO) throw new PickleError(`the pickle remembers more than ${MAX_MEMO} values`);
    this.#memo.set(index, this.#peek());
    return true;
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw new PickleError(`the pickle recalls value ${index}, which it never stored`);
    return value;
  }

  #push(value: PickleValue): true {
    this.#stack.push(value);
    return true;
  }

  /** Values below the last mark belong to an open container and cannot be popped. */
  get #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #peek(): PickleValue {
    if (this.#stack.length <= this.#floor) throw new PickleError('the pickle takes a value from an empty stack');
    return this.#stack.at(-1) as PickleValue;
  }

  #pop(): PickleValue {
    const value = this.#peek();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): PickleValue[] {
    if (this.#stack.length - count < this.#floor) throw new PickleError('the pickle takes a value from an empty stack');
    return this.#stack.splice(this.#stack.length - count);
  }

  #popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleError('the pickle closes a container that it did not open');
    return this.#stack.splice(mark);
  }

  #bytes(count: number): Buffer {
    const end = this.position + count;
    if (end > this.#buffer.length) throw new PickleTruncated('the pickle ends in the middle');
    const slice = this.#buffer.subarray(this.position, end);
    this.position = end;
    return slice;
  }

  #uint(width: 1 | 2 | 4): number {
    return this.#bytes(width).readUIntLE(0, width);
  }

  #text(length: number): string {
    return this.#bytes(length).toString('utf8');
  }

  #line(): string {
    const newline = this.#buffer.indexOf(0x0a, this.position);
    if (newline < 0) throw new PickleTruncated('the pickle ends in the middle');
    const text = this.#buffer.toString('utf8', this.position, newline);
    this.position = newline + 1;
    return text;
  }

  /** Two's complement, little-endian; a bigint only if a number would not be exact. */
  #long(width: number): number | bigint {
    if (width > MAX_INTEGER_BYTES) throw new PickleError(`the pickle holds an integer of ${width} bytes`);
    let value = 0n;
    const bytes = this.#bytes(width);
    for (let i = width - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
    value = BigInt.asIntN(width * 8, value);
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }
}
