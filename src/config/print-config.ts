import { stringify } from 'yaml';
import type { Config } from './schema/schema.js';

/** The whole configuration with its defaults as YAML that `--config` reads again. */
export function printConfig(config: Config): string {
  return stringify(config, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
}
