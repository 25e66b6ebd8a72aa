import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, hostname, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as LoadBinding from '../../src/io/load-binding.js';
import { writeTrainingCollection } from '../../test/support/collections.js';
import { runRanks, startRanks, type Rank, type RankOptions } from '../../test/support/ranks.js';
import { Broken } from './kind.js';
import type { Target } from './package.js';

/** Ranks talk to each other by LibTorch, also on the CPU. */
export async function lacksRanks({ load }: Target): Promise<string | undefined> {
  const { findTorchEngine } = await load<typeof LoadBinding>('io/load-binding');
  return findTorchEngine() ? undefined : 'the engine for LibTorch, by which ranks talk to each other';
}

const RUNS = 'out/lightning_logs';
/** Of a rank that does not answer. */
export const TIMEOUT_SECONDS = 10;

const CHECKPOINT =
  '{class_path: ModelCheckpoint, init_args: {every_n_train_steps: 2, save_top_k: 2, monitor: step, mode: max, save_last: true}}';

/**
 * How far a model may be from that of another number of ranks, of the distance between the models of undisturbed runs: sums
 * have another order, and AdamW, which divides by the gradient's own size, makes much of it.
 */
const BESIDE = 3;

/** A training run of several ranks that is disturbed and continued. */
export class RankRun {
  readonly #folder: string;
  readonly #command: NonNullable<RankOptions['command']>;
  readonly #variables: RankOptions['variables'];
  readonly #steps: number;
  /** Undisturbed runs by folder. */
  readonly #whole = new Map<string, { milliseconds: number; model: Float32Array }>();

  constructor(options: {
    folder: string;
    command: NonNullable<RankOptions['command']>;
    variables?: RankOptions['variables'];
    steps: number;
  }) {
    this.#folder = options.folder;
    this.#command = options.command;
    this.#variables = options.variables;
    this.#steps = options.steps;
  }

  static async open(options: ConstructorParameters<typeof RankRun>[0]): Promise<RankRun> {
    await writeTrainingCollection(options.folder);
    return new RankRun(options);
  }

  /** The command line for `ranks` ranks with steps of `samples` samples. */
  argv(ranks: number, samples: number, ...more: string[]): string[] {
    return [
      'fit',
      '--config=config.yaml',
      '--trainer.accelerator=cpu',
      '--trainer.threads=1',
      `--trainer.max_steps=${this.#steps}`,
      `--trainer.rank_timeout=${TIMEOUT_SECONDS}`,
      `--trainer.callbacks+=${CHECKPOINT}`,
      `--data.train_batch_size=${samples / ranks}`,
      '--ckpt_path=last',
      ...more,
    ];
  }

  /** Forgets the last run. */
  clear(): void {
    rmSync(join(this.#folder, 'out'), { recursive: true, force: true });
  }

  start(ranks: number, samples: number): Promise<Rank[]> {
    return startRanks(ranks, this.argv(ranks, samples), this.#options);
  }

  /** An undisturbed run, made once: its model, and the milliseconds from the first line of rank 0 on. */
  async whole(ranks: number, samples: number): Promise<{ milliseconds: number; model: Float32Array }> {
    const root = `whole-${samples}-${ranks}`;
    const known = this.#whole.get(root);
    if (known !== undefined) return known;
    const argv = this.argv(ranks, samples, `--trainer.default_root_dir=${root}`);
    const started = await startRanks(ranks, argv, this.#options);
    await spoken(started[0]!);
    const start = performance.now();
    for (const { code, stderr } of await Promise.all(started.map(({ ended }) => ended))) {
      if (code !== 0) throw new Broken(`an undisturbed run of ${ranks} ranks ended with ${code}: ${stderr}`);
    }
    const whole = { milliseconds: performance.now() - start, model: this.#model(`${root}/lightning_logs`) };
    this.#whole.set(root, whole);
    return whole;
  }

  /**
   * Continues to the end: the checkpoints were whole, and the model is that of an undisturbed run.
   *
   * @param before ranks of the runs before, all alike
   */
  async checkEnd(before: number, ranks: number, samples: number): Promise<void> {
    const [ended] = await runRanks(ranks, this.argv(ranks, samples), this.#options);
    const { code, stderr } = ended!;
    if (code !== 0) throw new Broken(`the run did not continue on ${ranks} ranks: exit code ${code}: ${stderr}`);
    if (/damaged|not whole|incomplete/.test(stderr)) throw new Broken(`a checkpoint was not whole: ${stderr}`);
    const left = readdirSync(join(this.#folder, RUNS), { recursive: true, encoding: 'utf8' });
    const strays = left.filter((name) => /(?:^|\/)\./.test(name));
    if (strays.length > 0) throw new Broken(`left behind: ${strays.join(', ')}`);
    const model = this.#model(RUNS);
    const { model: expected } = await this.whole(before, samples);
    if (before === ranks) {
      if (!Buffer.from(model.buffer).equals(Buffer.from(expected.buffer))) throw new Broken('the model is another one');
      return;
    }
    const usual = distance((await this.whole(ranks, samples)).model, expected);
    const off = distance(model, expected);
    if (!(off <= BESIDE * usual)) throw new Broken(`the model is off by ${off}, undisturbed runs by ${usual}`);
  }

  /** Numbers of the newest model below a folder of runs. */
  #model(runs: string): Float32Array {
    const versions = readdirSync(join(this.#folder, runs)).sort((a, b) => versionOf(a) - versionOf(b));
    const path = join(this.#folder, runs, versions.at(-1)!, 'huggingface_checkpoint/model.safetensors');
    const bytes = readFileSync(path);
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  }

  get #options(): RankOptions {
    return { cwd: this.#folder, command: this.#command, ...(this.#variables && { variables: this.#variables }) };
  }
}

const versionOf = (name: string): number => Number(/\d+$/.exec(name)?.[0] ?? 0);

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0));
}

/** Waits until a rank says something, which rank 0 does once all ranks are there, or ends. */
export async function spoken({ child, ended }: Rank): Promise<void> {
  await Promise.race([ended, new Promise((resolve) => child.stderr!.once('data', resolve))]);
}

/** How much longer than on an idle machine something may take. */
const slowness = (): number => Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());

/** Seconds that the others of a disturbed rank may take until they have ended: the timeout, and to write and to end. */
export const mostSeconds = (): number => TIMEOUT_SECONDS + 10 * slowness();

/**
 * Checks that a rank ended in time with one error that names another one.
 *
 * @returns false where it had just ended its work
 */
export async function checkFault(
  { child, output, ended }: Rank,
  culprit: { rank: number; host?: string; pid?: number | undefined },
  since: number,
): Promise<boolean> {
  const most = mostSeconds();
  const late = sleep(since + most * 1000 - performance.now(), undefined, { ref: false });
  const end = await Promise.race([ended, late]);
  if (end === undefined) {
    child.kill('SIGKILL');
    const said = output.stderr || 'nothing';
    throw new Broken(`a rank has not ended ${Math.round(most)} s after rank ${culprit.rank}; it said: ${said}`);
  }
  const { code, stderr } = end;
  if (code === 0) return false;
  const errors = stderr.match(/^error: .*$/gm) ?? [];
  if (code !== 1 || errors.length !== 1) throw new Broken(`exit code ${code}, not 1 with one error: ${stderr}`);
  const { rank, host = hostname(), pid } = culprit;
  const label = `rank ${rank} (${host}, process ${pid ?? ''}`;
  if (!errors[0].includes(label)) throw new Broken(`the error does not name ${label}: ${errors[0]}`);
  return true;
}
