import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { cacheFolder, makeFolder, PRIVATE_MODE } from '../io/make-folder.js';
import { programOf } from '../io/request-thread.js';
import { unusable } from './check-definition.js';
import type { TokenizerDescription } from './load-tokenizer.js';

const PROGRAM = new URL('./trial-process.js', import.meta.url).href;
/** Loading XLM-RoBERTa's 250,000 tokens takes 2 s; on a busy machine ten times as long. */
const SECONDS = 20;
/** Increased with the version of the tokenizers library, and with the texts of the trial. */
const EDITION = 'tokenizers 0.23.2, trial 1';

/**
 * Loads a tokenizer with unusual parts in a child process first, and has it encode odd texts there: the library may
 * panic where `checkDefinition` knows of nothing, and would take this process with it. That costs 0.1 s the first time;
 * the cache folder remembers what has passed.
 *
 * @throws RankDistillmError `bad_input` if the child dies or takes too long; `native` if there can be none
 */
export async function tryTokenizer(description: TokenizerDescription): Promise<void> {
  const input = JSON.stringify(description);
  const digest = createHash('sha256').update(`${EDITION}\n${input}`).digest('hex');
  const folder = join(cacheFolder(), 'tokenizers');
  const passed = join(folder, digest);
  if (existsSync(passed)) return;
  const end = await runTrial(input);
  if (end !== 0) {
    const why = end === 'SIGKILL' ? `odd texts take it more than ${SECONDS} s` : `it ends the process (${String(end)})`;
    throw unusable(description.file, why);
  }
  try {
    await makeFolder(folder, PRIVATE_MODE);
    await writeFile(passed, '', { flag: 'wx', mode: 0o600 });
  } catch {
    // tried again the next time
  }
}

/** The exit code of the child, or the signal that ended it. */
function runTrial(input: string): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', programOf(PROGRAM)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: SECONDS * 1000,
      killSignal: 'SIGKILL',
      env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
    });
    child.on('error', (cause) => {
      const message = `cannot start ${process.execPath} to try an unusual tokenizer: ${cause.message}`;
      reject(new RankDistillmError('native', message, { hint: 'Allow the process to start Node.js.', cause }));
    });
    child.on('close', (code, signal) => resolve(signal ?? code));
    child.stdin.on('error', () => undefined); // a dead child: `close` tells
    child.stdin.end(input);
  });
}
