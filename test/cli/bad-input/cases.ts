import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../../src/errors.js';
import { writeFiles } from '../../support/files.js';
import { modelFolder } from '../../support/models.js';

export const RUN = 'data/__bm25__tiny-set.run';

export interface BadInput {
  what: string;
  code: ErrorCode;
  /** The whole message would pin every comma; what a person needs to find the place must be in it. */
  message: RegExp;
  /** Writes the good collection and configuration. Default: one to re-rank. */
  prepare?: (folder: string) => Promise<unknown>;
  /** Makes the mistake in that folder. */
  spoil?: (folder: string) => Promise<unknown>;
  argv?: string[];
}

export const RE_RANK = ['re_rank', '--config', 'config.yaml'];
export const SCORE = ['score', '--model', modelFolder(), '--input', 'pairs.jsonl', '--output', 'scores.jsonl'];
export const EVALUATE = ['evaluate', '--qrels', 'data/test.qrels', '--run', RUN];

export const write = (name: string, content: string | Buffer) => (folder: string) =>
  writeFiles(folder, { [name]: content });
export const append = (name: string, text: string) => async (folder: string) =>
  writeFile(join(folder, name), `${await readFile(join(folder, name), 'utf8')}${text}`);
export const replaceByFolder = (name: string) => async (folder: string) => {
  await rm(join(folder, name));
  await writeFiles(folder, { [name]: null });
};
