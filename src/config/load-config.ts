import { z } from 'zod';
import { RankDistillmError } from '../errors.js';
import { childSchema, merge } from './merge.js';
import { nodeAt, placeText, type ConfigNode } from './node.js';
import { overrideTree } from './override.js';
import { readConfigTree, type Verb } from './read-settings.js';
import { slotOf, unwrap } from './schema/fields.js';
import { configSchema, type Config } from './schema/schema.js';
import { SettingError, type SettingPath } from './setting-error.js';
import { readYaml } from './yaml.js';

/** One `--config FILE` or one `--key.path VALUE`, in the order of the command line. */
export type ConfigSource =
  { kind: 'file'; path: string; verb?: Verb } | { kind: 'override'; option: string; text: string };

export interface LoadedConfig {
  config: Config;
  /** Keys that were given and mean nothing here, each with its place: `trainer.logger (re-rank.yaml:3)`. */
  ignored: string[];
  /** The files that were read. */
  files: string[];
  /** Where the value of a path was written, `file:line`; the nearest value above where it was not written. */
  placeOf: (path: SettingPath) => string;
}

/** Reads, merges (later wins) and checks a configuration for a verb. */
export async function loadConfig(sources: readonly ConfigSource[], verb?: Verb): Promise<LoadedConfig> {
  const files: string[] = [];
  let root: ConfigNode = { kind: 'map', entries: new Map(), place: { source: 'the configuration' } };
  for (const source of sources) {
    const update = await readSource(source, files);
    root = merge(root, update, configSchema, []);
    if (root.kind !== 'map') break;
  }
  const ignored: string[] = [];
  const placeOf = (path: SettingPath): string => placeText(nodeAt(root, path).place);
  const onIgnored = (path: string, place: string): void => void ignored.push(`${path} (${place})`);
  const config = wordedFor(placeOf, () => readConfigTree(root, configSchema, { verb, onIgnored }));
  return { config, ignored, files, placeOf };
}

/** @param files receives the path of the file that is read */
async function readSource(source: ConfigSource, files: string[]): Promise<ConfigNode> {
  if (source.kind === 'file') {
    files.push(source.path);
    return sectionOfVerb(await readYaml(source.path), source.verb);
  }
  const { option, text } = source;
  const section = option.slice(2);
  if (!isSectionFile(section, text)) return overrideTree(option, text);
  const place = { source: option };
  files.push(text);
  return { kind: 'map', entries: new Map([[section, { place, node: await readYaml(text) }]]), place };
}

/** LightningCLI's `--trainer FILE`: the file has the content of the section. */
function isSectionFile(section: string, text: string): boolean {
  const schema = childSchema(configSchema, section);
  if (!schema) return false;
  if (slotOf(schema)) return /\.(?:ya?ml|json)$/.test(text);
  return unwrap(schema) instanceof z.ZodObject && !/^\s*(?:\{.*|null|~)?$/s.test(text);
}

/** Verbs of lightning-ir's command line. */
const VERBS = ['fit', 're_rank', 'validate', 'test', 'predict', 'index', 'search'];

/** LightningCLI reads a file with one block for each verb, too. */
function sectionOfVerb(root: ConfigNode, verb: Verb | undefined): ConfigNode {
  if (verb === undefined || root.kind !== 'map' || root.entries.size === 0) return root;
  const isByVerb = [...root.entries.keys()].every((key) => VERBS.includes(key));
  if (!isByVerb) return root;
  const own = root.entries.get(verb);
  if (own) return own.node;
  throw new RankDistillmError('bad_input', `${placeText(root.place)}: has no block "${verb}"`, {
    hint: `Its blocks: ${[...root.entries.keys()].join(', ')}.`,
  });
}

/** Calls `read`; an error about a setting gets the place where the configuration has it. */
function wordedFor<T>(placeOf: LoadedConfig['placeOf'], read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof SettingError ? error.worded(`${placeOf(error.path)}: ${error.path.join('.')}`) : error;
  }
}
