import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { at, RankDistillmError } from '../errors.js';
import { wholeBytes } from '../io/plain-bytes.js';
import type { ConfigNode, MapEntry, Place } from './node.js';
import { isFloatText, plainScalar } from './plain-scalar.js';

/** A configuration is a page or two; more than this is another file passed by mistake, and takes seconds to parse. */
const LARGEST_CONFIG_BYTES = 2 ** 20;
/** Anchors may repeat a value, but not grow a small file into a huge tree. */
const MOST_NODES = 100_000;
/** Deeper than any section; what reads the tree calls itself for each level. */
const DEEPEST = 100;

/** Reads a YAML file, keeping the line of every key and value. */
export async function readYaml(path: string): Promise<ConfigNode> {
  const hint = 'Pass a YAML file to --config, not data or weights.';
  const bytes = await wholeBytes(path, { bytes: LARGEST_CONFIG_BYTES, hint });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${path}: not valid UTF-8`, {
      hint: 'Pass a YAML file saved as UTF-8 to --config.',
      cause,
    });
  }
  return parseYaml(text, path);
}

/** Parses YAML text. `source` names it in errors; lines are kept unless it comes from the command line. */
export function parseYaml(text: string, source: string, keepLines = true): ConfigNode {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    schema: 'failsafe',
    prettyErrors: false,
    merge: false,
    uniqueKeys: false, // its check compares all keys with each other; ours is in `entries`
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem) {
    const line = keepLines ? lines.linePos(problem.pos[0]).line : undefined;
    const message = problem.code === 'MULTIPLE_DOCS' ? 'a second document begins ("---")' : problem.message;
    throw new RankDistillmError('bad_input', `${at(source, line)}: ${message}`, {
      hint: 'Fix the YAML: write `key: value`, indent with spaces and do not repeat a key.',
      cause: problem,
    });
  }
  const place = (node: Node | null | undefined): Place => {
    const offset = node?.range?.[0];
    return keepLines && offset !== undefined ? { source, line: lines.linePos(offset).line } : { source };
  };
  if (document.contents === null) {
    return { kind: 'scalar', value: null, place: keepLines ? { source, line: 1 } : { source } };
  }
  return new Converter(place).convert(document.contents);
}

class Converter {
  private nodes = 0;
  /** Collections around the current node. */
  private readonly open = new Set<Node>();
  /** The nodes of the anchors so far. */
  private readonly anchors = new Map<string, Node>();
  /** Aliases around the current node. */
  private aliases = 0;

  constructor(private readonly place: (node: Node | null | undefined) => Place) {}

  convert(node: Node, fallback?: Place): ConfigNode {
    const place = node.range ? this.place(node) : (fallback ?? this.place(node));
    if (++this.nodes > MOST_NODES) throw this.refusal(place, `more than ${MOST_NODES} values`);
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      if (!target) throw this.refusal(place, `no anchor named "${node.source}" above`);
      this.aliases += 1;
      const value = this.convert(target, place);
      this.aliases -= 1;
      return value;
    }
    this.setAnchor(node);
    if (isScalar(node)) {
      const text = String(node.value ?? '');
      const plain = node.type === 'PLAIN' || node.type === undefined;
      const value = plain ? plainScalar(text) : text;
      return { kind: 'scalar', value, place, ...(plain && isFloatText(text) ? { float: true } : {}) };
    }
    if (this.open.has(node)) throw this.refusal(place, 'an anchor contains itself');
    if (this.open.size === DEEPEST) throw this.refusal(place, `nested more than ${DEEPEST} levels deep`);
    this.open.add(node);
    try {
      if (isSeq(node)) {
        return { kind: 'list', items: node.items.map((item) => this.convert(item as Node, place)), place };
      }
      if (isMap(node)) return { kind: 'map', entries: this.entries(node.items, place), place };
    } finally {
      this.open.delete(node);
    }
    throw this.refusal(place, 'not a scalar, list or mapping');
  }

  /** An anchor may be set again further down; one below an alias was set where it is written. */
  private setAnchor(node: Scalar | YAMLMap | YAMLSeq): void {
    if (node.anchor !== undefined && this.aliases === 0) this.anchors.set(node.anchor, node);
  }

  private entries(pairs: readonly { key: unknown; value: unknown }[], mapPlace: Place): Map<string, MapEntry> {
    const entries = new Map<string, MapEntry>();
    const own = new Set<string>();
    for (const { key, value } of pairs) {
      if (!isScalar(key)) throw this.refusal(mapPlace, 'a key that is not plain text');
      const place = this.place(key);
      this.setAnchor(key);
      if (key.value === '<<') {
        if (!value) throw this.refusal(place, '"<<" needs a mapping');
        this.inherit(entries, value as Node, place);
        continue;
      }
      if (own.has(String(key.value))) throw this.refusal(place, `the key "${String(key.value)}" is set twice`);
      own.add(String(key.value));
      const node: ConfigNode = value ? this.convert(value as Node, place) : { kind: 'scalar', value: null, place };
      entries.set(String(key.value), { place, node });
    }
    return entries;
  }

  /** `<<: *anchor`: keys of the anchor that the block does not set itself. */
  private inherit(entries: Map<string, MapEntry>, value: Node, place: Place): void {
    const node = this.convert(value, place);
    for (const source of node.kind === 'list' ? node.items : [node]) {
      if (source.kind !== 'map') throw this.refusal(place, '"<<" needs a mapping');
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
  }

  private refusal(place: Place, what: string): RankDistillmError {
    return new RankDistillmError('bad_input', `${at(place.source, place.line)}: ${what}`, {
      hint: 'Write the configuration as plain YAML mappings, lists and values.',
    });
  }
}
