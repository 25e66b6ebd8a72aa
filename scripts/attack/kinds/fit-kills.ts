import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeTrainingCollection } from '../../../test/support/collections.js';
import { KilledProgram } from '../killed.js';
import { Broken, type Kind } from '../kind.js';

const KILLS = 4;
const STEPS = 40;
const CHECKPOINT =
  '{class_path: ModelCheckpoint, init_args: {every_n_train_steps: 2, save_top_k: 2, monitor: step, mode: max, save_last: true}}';
const FIT = ['fit', '--config', 'config.yaml', `--trainer.max_steps=${STEPS}`, `--trainer.callbacks+=${CHECKPOINT}`];
const RUNS = 'out/lightning_logs';

/** One command, killed at random moments and started again until it is done: the model of an undisturbed run, no strays. */
export const kind: Kind = {
  name: `runs of fit killed ${KILLS} times`,
  gives: ['worked'],
  tries: { full: 15, short: 1 },
  seconds: 600,
  async open({ command, folder }) {
    await writeTrainingCollection(folder);
    const program = new KilledProgram([...command, ...FIT], folder);
    const longest = await program.run(['--trainer.default_root_dir=whole']);
    const whole = model('whole/lightning_logs/version_0');
    return async (random) => {
      rmSync(join(folder, 'out'), { recursive: true, force: true });
      const again = ['--ckpt_path=last'];
      for (let kills = 0; kills < KILLS; kills++) await program.kill(again, random, longest);
      await program.run(again);
      const versions = readdirSync(join(folder, RUNS)).sort();
      if (!model(join(RUNS, versions.at(-1)!)).equals(whole)) throw new Broken('the model is another one');
      const left = readdirSync(join(folder, RUNS), { recursive: true, encoding: 'utf8' });
      const strays = left.filter((name) => /(?:^|\/)\./.test(name));
      const kept = left.filter((name) => name.endsWith('trainer_state.json') && !name.includes('/last/'));
      if (strays.length > 0) throw new Broken(`left behind: ${strays.join(', ')}`);
      if (kept.length !== 2) throw new Broken(`save_top_k: 2 kept ${kept.join(', ')}`);
    };

    function model(version: string): Buffer {
      return readFileSync(join(folder, version, 'huggingface_checkpoint/model.safetensors'));
    }
  },
};
