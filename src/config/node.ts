import { at } from '../errors.js';
import type { Share } from './share.js';

/** Where a configured value was written: a file and line, or an option of the command line. */
export interface Place {
  /** A file's path, or the option as it was typed, for example `--model.model_name_or_path`. */
  source: string;
  /** 1-based; missing for values from the command line. */
  line?: number;
}

/** A value of a configuration that still knows where it was written. */
export type ConfigNode = ScalarNode | ListNode | MapNode;

interface ScalarNode {
  kind: 'scalar';
  value: string | number | boolean | null | Share;
  /** A number written with a dot or an exponent: `1.0` and not `1`. */
  float?: true;
  /** The text as typed on the command line: a key that wants text gets it even if it reads like a number. */
  raw?: string;
  place: Place;
}

export interface ListNode {
  kind: 'list';
  items: ConfigNode[];
  place: Place;
}

export interface MapNode {
  kind: 'map';
  entries: Map<string, MapEntry>;
  place: Place;
  /** Made from a dotted override: where a list is expected it changes one item instead of replacing the list. */
  override?: true;
}

export interface MapEntry {
  /** Where the key was written. */
  place: Place;
  node: ConfigNode;
}

/** `configs/re-rank.yaml:12`, or the option's name. */
export function placeText(place: Place): string {
  return at(place.source, place.line);
}

/** Drops places: what `JSON.parse` would have given. */
export function toPlain(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.node)]));
}

/** The node at a path of keys and list positions, or the deepest one on the way that exists. */
export function nodeAt(root: ConfigNode, path: readonly PropertyKey[]): ConfigNode {
  let node = root;
  for (const key of path) {
    const next =
      node.kind === 'map'
        ? node.entries.get(String(key))?.node
        : node.kind === 'list'
          ? node.items[Number(key)]
          : undefined;
    if (next === undefined) return node;
    node = next;
  }
  return node;
}
