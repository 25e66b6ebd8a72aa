import { pathToFileURL } from 'node:url';
import type * as RankDistillm from '../../src/index.js';

/** The package under attack: the sources, or what is built or installed in a folder. */
export interface Target {
  api: typeof RankDistillm;
  /** The command line of the same package: `node .../main.js`. */
  command: readonly string[];
  /** The path of its main module. */
  entry: string;
  /** Another module of the same package, which has the same error class: `data/formats/run-parquet`. */
  load: <T>(name: string) => Promise<T>;
}

/** @param folder of an installed package, or of a checkout for its dist/; the sources without it */
export async function openTarget(folder?: string): Promise<Target> {
  const sources = new URL('../../', import.meta.url);
  const base = new URL(folder ? 'dist/' : 'src/', folder ? pathToFileURL(`${folder}/`) : sources);
  const suffix = folder ? 'js' : 'ts';
  const urlOf = (name: string): URL => new URL(`${name}.${suffix}`, base);
  const loader = new URL('scripts/lib/load-typescript.mjs', sources).href;
  const main = urlOf('cli/main').pathname;
  return {
    api: (await import(urlOf('index').href)) as typeof RankDistillm,
    command: folder ? [process.execPath, main] : [process.execPath, '--import', loader, main],
    entry: urlOf('index').pathname,
    load: async <T>(name: string) => (await import(urlOf(name).href)) as T,
  };
}
