import { merge } from './merge.js';
import { nodeAt, placeText, toPlain, type ConfigNode } from './node.js';
import { overrideTree } from './override.js';
import { configSchema, type Config } from './schema/schema.js';
import { validate } from './validate.js';
import { readYaml } from './yaml.js';

/** One `--config FILE` or one dotted override, in the order of the command line. */
export type ConfigSource = { kind: 'file'; path: string } | { kind: 'override'; option: string; text: string };

export interface LoadedConfig {
  config: Config;
  /** Keys that were given and mean nothing here, each with its place: `trainer.logger (re-rank.yaml:3)`. */
  ignored: string[];
  /** Where the value of a path was written, `file:line`; the nearest value above where it was not written. */
  placeOf: (path: readonly (string | number)[]) => string;
}

/** Reads, merges (later wins) and validates a configuration. */
export async function loadConfig(sources: readonly ConfigSource[]): Promise<LoadedConfig> {
  let root: ConfigNode = { kind: 'map', entries: new Map(), place: { source: 'the configuration' } };
  for (const source of sources) {
    const update = source.kind === 'file' ? await readYaml(source.path) : overrideTree(source.option, source.text);
    root = merge(root, update, configSchema, []);
    if (root.kind !== 'map') break;
  }
  const ignored: string[] = [];
  validate(root, configSchema, [], (path, place) => ignored.push(`${path} (${place})`));
  return {
    config: configSchema.parse(toPlain(root)),
    ignored,
    placeOf: (path) => placeText(nodeAt(root, path).place),
  };
}
