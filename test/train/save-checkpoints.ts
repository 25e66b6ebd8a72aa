// Saves checkpoints on a small disk until one fails three times: `unshare --mount tsx save-checkpoints.ts FOLDER`, where the
// disk is mounted. Prints what was saved, what the folder holds and the errors.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RankDistillmError } from '../../src/errors.js';
import { readTrainerCheckpoint } from '../../src/train/checkpoints/trainer-checkpoint.js';
import { save } from '../support/training.js';

const folder = process.argv[2]!;
const whole: string[] = [];
const errors: string[] = [];
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=500k', 'none', folder]);
for (let step = 1; errors.length < 3; step++) {
  try {
    await save(join(folder, `step=${step}`), { step });
    await readTrainerCheckpoint(join(folder, `step=${step}`));
    whole.push(`step=${step}`);
  } catch (error) {
    const { code, message } = error as RankDistillmError;
    errors.push(`${code} ${message}`);
  }
}
console.log(JSON.stringify({ whole, names: readdirSync(folder).sort(), errors }));
