import { RankDistillmError } from '../errors.js';
import type { ConfigNode, MapNode } from './node.js';
import { parseYaml } from './yaml.js';

/** Deeper than any section; what merges the tree calls itself for each level. */
const MOST_KEYS = 100;

/**
 * A dotted option as a tree to merge: `--trainer.callbacks+=ReRankCallback` is `{ trainer: { callbacks+: … } }`.
 *
 * @param option as typed, without the value: `--data.init_args.depth`, `--trainer.callbacks+`
 * @param text the value; read as YAML
 */
export function overrideTree(option: string, text: string): ConfigNode {
  const keys = splitPath(option.replace(/^--/, ''));
  if (keys.length > MOST_KEYS || keys.some((key) => key === '' || key === '+')) {
    throw new RankDistillmError('bad_input', `${option}: not a dotted key`, {
      hint: 'Write the path of a key, for example --model.model_name_or_path.',
    });
  }
  const place = { source: option };
  let node = valueNode(text, option);
  for (const key of keys.reverse()) {
    const map: MapNode = { kind: 'map', entries: new Map([[key, { place, node }]]), place, override: true };
    node = map;
  }
  return node;
}

/** Ids of datasets may hold dots: in `datasets.<id>.<key>` everything between is the id. */
function splitPath(path: string): string[] {
  const parts = path.split('.');
  if (parts[0] !== 'datasets' || parts.length <= 3) return parts;
  return ['datasets', parts.slice(1, -1).join('.'), parts.at(-1) as string];
}

function valueNode(text: string, option: string): ConfigNode {
  const plainText: ConfigNode = { kind: 'scalar', value: text, raw: text, place: { source: option } };
  try {
    const node = parseYaml(text, option, false);
    return node.kind === 'scalar' ? { ...node, raw: text } : node;
  } catch (error) {
    // Text that only looks like YAML, "@name" or "a: b: c", is meant as text, as jsonargparse takes it; a list or
    // mapping somebody opened and did not close is a mistake.
    if (/^\s*[[{]/.test(text)) throw error;
    return plainText;
  }
}
