import { merge } from './merge.js';
import { nodeAt, placeText, type ConfigNode } from './node.js';
import { overrideTree } from './override.js';
import { readConfigTree, type Verb } from './read-settings.js';
import { configSchema, type Config } from './schema/schema.js';
import { SettingError, type SettingPath } from './setting-error.js';
import { readYaml } from './yaml.js';

/** One `--config FILE` or one dotted override, in the order of the command line. */
export type ConfigSource = { kind: 'file'; path: string } | { kind: 'override'; option: string; text: string };

export interface LoadedConfig {
  config: Config;
  /** Keys that were given and mean nothing here, each with its place: `trainer.logger (re-rank.yaml:3)`. */
  ignored: string[];
  /** Where the value of a path was written, `file:line`; the nearest value above where it was not written. */
  placeOf: (path: SettingPath) => string;
}

/** Reads, merges (later wins) and checks a configuration for a verb. */
export async function loadConfig(sources: readonly ConfigSource[], verb?: Verb): Promise<LoadedConfig> {
  let root: ConfigNode = { kind: 'map', entries: new Map(), place: { source: 'the configuration' } };
  for (const source of sources) {
    const update = source.kind === 'file' ? await readYaml(source.path) : overrideTree(source.option, source.text);
    root = merge(root, update, configSchema, []);
    if (root.kind !== 'map') break;
  }
  const ignored: string[] = [];
  const placeOf = (path: SettingPath): string => placeText(nodeAt(root, path).place);
  const onIgnored = (path: string, place: string): void => void ignored.push(`${path} (${place})`);
  const config = wordedFor(placeOf, () => readConfigTree(root, configSchema, { verb, onIgnored }));
  return { config, ignored, placeOf };
}

/** Calls `read`; an error about a setting gets the place where the configuration has it. */
function wordedFor<T>(placeOf: LoadedConfig['placeOf'], read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof SettingError ? error.worded(`${placeOf(error.path)}: ${error.path.join('.')}`) : error;
  }
}
