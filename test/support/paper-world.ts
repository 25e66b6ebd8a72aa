import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './files.js';
import { addRecord, publicData } from './public-data.js';
import { addRepository, webServer } from './web-server.js';

export interface PaperWorld extends AsyncDisposable {
  /** An empty home. */
  home: string;
  /** Variables that send all requests to the servers, and all files below the home. */
  variables: Record<string, string>;
  /** Paths asked for since the last call. */
  requests: () => string[];
}

/** Files of other contents than the stand-ins of public-data.ts. */
interface WorldFiles {
  /** Folder by id. */
  models: Readonly<Record<string, string>>;
  /** Content by name, in Zenodo's record of the paper's runs. */
  runs: Readonly<Record<string, string>>;
  datasets?: Readonly<Record<string, Buffer | string>>;
}

function repositoryFiles(folder: string): Record<string, Buffer> {
  const names = readdirSync(folder).filter((name) => name !== 'expected.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/**
 * A machine that has nothing, and servers on loopback in place of the hub, Zenodo and the datasets' publishers: all that the
 * paper's configurations name by id, under the true names and in the true layouts.
 */
export async function paperWorld({ models, runs, datasets }: WorldFiles): Promise<PaperWorld> {
  const home = temporaryFolder();
  const data = await publicData(home, datasets);
  const cdn = await webServer();
  const large = { names: ['model.safetensors'], server: cdn };
  for (const [i, [id, folder]] of Object.entries(models).entries()) {
    addRepository(data.server, { id, commit: String(i).repeat(40), files: repositoryFiles(folder), large });
  }
  addRecord(data.server, '15131907', runs);
  return {
    home,
    variables: {
      HOME: home,
      HF_ENDPOINT: data.server.url,
      ZENODO_ENDPOINT: data.server.url,
      RANK_DISTILLM_DOWNLOADS: data.list,
    },
    requests: () => [...data.server.requests.splice(0), ...cdn.requests.splice(0)].map(({ path }) => path),
    async [Symbol.asyncDispose]() {
      await data[Symbol.asyncDispose]();
      await cdn[Symbol.asyncDispose]();
    },
  };
}
