import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { checkOptions, type OptionsOf, type SettingsOf } from '../../config/read-settings.js';
import { modelCheckpointOptions } from '../../config/schema/callbacks.js';
import { type Metrics, monitored, type Watched, watchedOther } from '../monitored.js';
import { formatCheckpointName } from './name.js';
import { bestFirst, type KeptCheckpoint, makeRoom } from './ranked.js';

/** Lightning's ModelCheckpoint arguments. */
export type ModelCheckpointOptions = OptionsOf<typeof modelCheckpointOptions>;

/** Progress of a run and the newest metrics by name. */
export interface CheckpointMoment {
  /** 0-based; at the end of an epoch, the epoch that ends. */
  epoch: number;
  /** Optimizer steps so far. */
  step: number;
  metrics: Metrics;
}

/** File operations of a keeper. Folders are full paths. */
export interface CheckpointCallbacks {
  /** Writes the folder and replaces an older one atomically. The keeper's `state` already includes this save. */
  save(folder: string): Promise<void>;
  /** Removes a folder; a missing folder is no error. */
  remove(folder: string): Promise<void>;
  exists(folder: string): Promise<boolean>;
  /** Points the symbolic link `folder` to its sibling `name`, atomically. */
  link(folder: string, name: string): Promise<void>;
  warn?(message: string): void;
}

export interface CheckpointContext {
  /** Folder of the checkpoints: `dirpath`, or `checkpoints` in the log folder. */
  folder: string;
  /** TrainingPlan's, used when the options do not set it. */
  validatesAtEpochEnd: boolean;
  /** Whether the run validates. */
  validates: boolean;
  /** Always saves at the end of the run. Lightning's ModelCheckpoint does not. Default false. */
  savesEnd?: boolean | undefined;
  /** Name in `folder` of the checkpoint that the user named to resume from, as a path: never removed. */
  resumedFrom?: string | undefined;
}

/** A checkpoint: its name in the keeper's folder, or one that an earlier version of the run saved in another folder. */
type Place = string | { folder: string; name: string };

/** State of a keeper, saved with each checkpoint. */
export interface CheckpointState {
  folder: string;
  /** What the scores of `kept` are values of; undefined: an older release saved the state. */
  watched?: Watched | undefined;
  /** Oldest first. */
  kept: KeptCheckpoint[];
  /** What `last` points to. */
  last: Place | null;
  /** Saved by `saveNow`; removed with the next checkpoint. */
  interrupted: Place | null;
  /** No longer kept, but may still be on disk. */
  obsolete: Place[];
  /** Step of the newest checkpoint that was due; 0: none. */
  savedStep: number;
  /** A save waits for the metrics of the next validation. */
  deferred: boolean;
  validated: boolean;
  /** Last name without its version suffix, and how often it was used in a row, for the next suffix. */
  named: { name: string; times: number } | null;
}

/** Lightning's name for the link to the newest checkpoint. */
export const LAST = 'last';

const NOTHING: Omit<CheckpointState, 'folder'> = {
  kept: [],
  last: null,
  interrupted: null,
  obsolete: [],
  savedStep: 0,
  deferred: false,
  validated: false,
  named: null,
};

/**
 * Decides when to save, under which name, and what to remove: Lightning's ModelCheckpoint (2.6) as a policy that does
 * no file access itself. The loop calls it after each optimizer step, validation and epoch, in this order, and once at
 * the end; after a resume it may repeat the last calls. Differences from Lightning:
 *
 * - an old checkpoint is removed only when the new one is complete, even under the same name; `last` links to the
 * newest;
 * - a save before a validation waits for the metrics of that validation, not only at the end of an epoch.
 */
export class CheckpointKeeper {
  readonly #options: SettingsOf<typeof modelCheckpointOptions>;
  readonly #everySteps: number;
  readonly #everyEpochs: number;
  readonly #validatesAtEpochEnd: boolean;
  readonly #context: CheckpointContext;
  readonly #callbacks: CheckpointCallbacks;
  #state: CheckpointState;

  /** @throws SettingError */
  constructor(given: ModelCheckpointOptions, context: CheckpointContext, callbacks: CheckpointCallbacks) {
    const options = checkOptions(modelCheckpointOptions, given);
    formatCheckpointName(options.filename, {}, options.autoInsertMetricName);
    this.#options = options;
    this.#everySteps = options.everyNTrainSteps ?? 0;
    this.#everyEpochs = options.everyNEpochs ?? (options.everyNTrainSteps === null ? 1 : 0);
    this.#validatesAtEpochEnd = options.saveOnTrainEpochEnd ?? context.validatesAtEpochEnd;
    this.#context = context;
    this.#callbacks = callbacks;
    this.#state = { ...NOTHING, folder: context.folder, watched: this.#watched };
  }

  /** A copy that can be stored as JSON. */
  get state(): CheckpointState {
    return structuredClone(this.#state);
  }

  get #watched(): Watched {
    const { monitor, mode } = this.#options;
    return { monitor, mode };
  }

  /** Paths of the kept checkpoints: best first if a metric is monitored, else newest first. */
  get checkpoints(): readonly string[] {
    const { kept } = this.#state;
    const order = this.#options.monitor === null ? kept.toReversed() : bestFirst(kept, this.#options.mode);
    return order.map((kept) => this.#pathOf(placeOf(kept)));
  }

  /**
   * Restores a saved state and completes an interrupted save: updates `last` and removes obsolete checkpoints.
   *
   * @param isOther whether a folder is another run's, or was saved after the state: it is ignored
   * @param earlier folders of earlier versions of the run, whose checkpoints count among the kept ones; what the state
   * names elsewhere is ignored
   * @returns false when checkpoints now go to another folder: those in the old one stay and do not count, as do all when
   * the keeper watches something else now
   */
  async restore(
    saved: CheckpointState,
    isOther: (folder: string) => Promise<boolean>,
    earlier: readonly string[] = [],
  ): Promise<boolean> {
    const state = this.#comparable(saved);
    const { folder } = this.#context;
    const isKnown = (other: string): boolean => earlier.some((known) => resolve(known) === resolve(other));
    const moved = resolve(state.folder) !== resolve(folder);
    if (moved && !isKnown(state.folder)) return false;
    const ours = async (place: Place): Promise<Place[]> => {
      const here = moved && typeof place === 'string' ? { folder: state.folder, name: place } : place;
      const isElsewhere = typeof here !== 'string' && !isKnown(here.folder);
      return isElsewhere || (await isOther(this.#pathOf(here))) ? [] : [here];
    };
    const kept: KeptCheckpoint[] = [];
    for (const one of state.kept) {
      for (const place of await ours(placeOf(one))) kept.push({ ...one, ...(typeof place === 'string' ? {} : place) });
    }
    const obsolete: Place[] = [];
    for (const place of state.obsolete) obsolete.push(...(await ours(place)));
    const [last = null] = state.last === null ? [] : await ours(state.last);
    const [interrupted = null] = state.interrupted === null ? [] : await ours(state.interrupted);
    const named = moved ? null : state.named;
    this.#state = structuredClone({ ...state, folder, kept, last, interrupted, obsolete, named });
    await this.#settle();
    return true;
  }

  /** Leaves out what was kept for other values: it stays on disk, though `last` moves on. */
  #comparable(state: CheckpointState): CheckpointState {
    const other = watchedOther('ModelCheckpoint', state.watched, this.#watched);
    const same = { ...state, watched: this.#watched };
    if (other === undefined) return same;
    this.#callbacks.warn?.(`${other}: the checkpoints kept so far stay and no longer count`);
    const isKept = state.kept.some((one) => isDeepStrictEqual(placeOf(one), state.last));
    return { ...same, kept: [], last: isKept ? null : state.last };
  }

  /** @param validationFollows whether a validation runs before the next step */
  async afterStep(moment: CheckpointMoment, validationFollows: boolean): Promise<void> {
    if (this.#everySteps === 0 || moment.step === 0 || moment.step % this.#everySteps !== 0) return;
    const { monitor } = this.#options;
    const isKnown = monitor === null || Object.hasOwn(candidates(moment), monitor);
    if (monitor !== null && this.#context.validates && (!isKnown || validationFollows)) {
      this.#state = { ...this.#state, deferred: true };
    } else if (this.#state.savedStep !== moment.step) {
      await this.#save(moment, true, true);
    }
  }

  async afterValidation(moment: CheckpointMoment): Promise<void> {
    const { deferred, savedStep } = this.#state;
    this.#state = { ...this.#state, deferred: false, validated: true };
    if (savedStep === moment.step) return;
    if (deferred) await this.#save(moment, true, true);
    else if (!this.#validatesAtEpochEnd && this.#isEpochDue(moment)) await this.#save(moment, true, false);
  }

  async afterEpoch(moment: CheckpointMoment): Promise<void> {
    if (this.#state.savedStep === moment.step || !this.#validatesAtEpochEnd) return;
    if (this.#isEpochDue(moment)) await this.#save(moment, true, false);
  }

  /** Saves at the end if `savesEnd` is set; otherwise only saves `last`, and only if the run saved nothing else. */
  async afterTraining(moment: CheckpointMoment): Promise<void> {
    const { savedStep } = this.#state;
    const { savesEnd = false } = this.#context;
    if (savedStep !== moment.step && (savesEnd || savedStep === 0)) await this.#save(moment, savesEnd, true);
  }

  /**
   * Saves a checkpoint on interruption, unless this step is saved already. It does not change which checkpoints are
   * kept; the next regular checkpoint replaces it.
   */
  async saveNow(moment: CheckpointMoment): Promise<void> {
    if (this.#state.savedStep === moment.step) return;
    const named = await this.#freeName(moment);
    const last = this.#options.saveLast ? named.folderName : this.#state.last;
    await this.#commit({ ...this.#state, named: named.named, last, interrupted: named.folderName }, named.folderName);
  }

  #isEpochDue({ epoch }: CheckpointMoment): boolean {
    return this.#everyEpochs > 0 && (epoch + 1) % this.#everyEpochs === 0;
  }

  /** @param alwaysLast update `last` even when the checkpoint is not among the best */
  async #save(moment: CheckpointMoment, ranked: boolean, alwaysLast: boolean): Promise<void> {
    const { kept, score } = (ranked ? this.#rank(moment) : undefined) ?? { kept: undefined, score: null };
    const movesLast = Boolean(this.#options.saveLast) && (alwaysLast || kept !== undefined);
    if (kept === undefined && !movesLast) return;
    const { folderName, named } = await this.#freeName(moment, this.#replaced(kept, movesLast));
    const next: CheckpointState = {
      ...this.#state,
      kept: kept === undefined ? this.#state.kept : [...kept, { name: folderName, step: moment.step, score }],
      last: movesLast ? folderName : this.#state.last,
      interrupted: null,
      savedStep: moment.step,
      named,
    };
    await this.#commit(next, folderName);
  }

  /** Checkpoints that stay beside a new one; undefined when the new one is not kept. */
  #rank(moment: CheckpointMoment): { kept: KeptCheckpoint[]; score: number | null } | undefined {
    const { monitor, saveTopK: topK, mode } = this.#options;
    const { kept, validated } = this.#state;
    if (topK === 0) return undefined;
    if (monitor === null) return { kept: topK === 1 ? [] : kept, score: null };
    const mayCome = this.#context.validates && !validated;
    const value = monitored('ModelCheckpoint', monitor, candidates(moment), mayCome);
    if (value === undefined) {
      this.#callbacks.warn?.(
        `ModelCheckpoint: "${monitor}" is not logged yet at step ${moment.step}: no checkpoint is kept for that step`,
      );
      return undefined;
    }
    const score = Number.isFinite(value) ? value : null;
    const others = makeRoom(kept, score, topK, mode);
    return others && { kept: others, score };
  }

  /** Names of checkpoints that the next save removes. It may reuse one, as in Lightning. */
  #replaced(kept: readonly KeptCheckpoint[] | undefined, movesLast: boolean): string[] {
    const { kept: before, last } = this.#state;
    if (kept === undefined) return [];
    return before
      .filter((one) => one.folder === undefined && !kept.includes(one))
      .map(({ name }) => name)
      .filter((name) => movesLast || name !== last)
      .filter((name) => this.#pathOf(name) !== this.#context.resumedFrom);
  }

  async #freeName(
    moment: CheckpointMoment,
    replaced: readonly string[] = [],
  ): Promise<{ folderName: string; named: NonNullable<CheckpointState['named']> }> {
    const { filename, autoInsertMetricName, saveLast } = this.#options;
    const name = formatCheckpointName(filename, candidates(moment), autoInsertMetricName);
    if (replaced.includes(name)) return { folderName: name, named: { name, times: 1 } };
    let times = this.#state.named?.name === name ? this.#state.named.times : 0;
    const folderName = (): string => (times === 0 ? name : `${name}-v${times}`);
    const isTaken = async (): Promise<boolean> =>
      (Boolean(saveLast) && folderName() === LAST) || this.#callbacks.exists(this.#pathOf(folderName()));
    while (await isTaken()) times++;
    return { folderName: folderName(), named: { name, times: times + 1 } };
  }

  /** Updates the state before the save, because the checkpoint contains it; restores it when the save fails. */
  async #commit(next: CheckpointState, name: string): Promise<void> {
    const before = this.#state;
    const used = placesOf(next).map((place) => this.#pathOf(place));
    const obsolete = [...before.obsolete, ...placesOf(before)].filter((old) => !used.includes(this.#pathOf(old)));
    this.#state = { ...next, obsolete };
    try {
      await this.#callbacks.save(this.#pathOf(name));
    } catch (error) {
      this.#state = before;
      throw error;
    }
    await this.#settle();
  }

  async #settle(): Promise<void> {
    const { folder, last, obsolete } = this.#state;
    if (typeof last === 'string') await this.#callbacks.link(join(folder, LAST), last);
    for (const path of new Set(obsolete.map((place) => this.#pathOf(place)))) {
      if (path !== this.#context.resumedFrom) await this.#callbacks.remove(path);
    }
    this.#state = { ...this.#state, obsolete: [] };
  }

  #pathOf(place: Place): string {
    return typeof place === 'string' ? join(this.#context.folder, place) : join(place.folder, place.name);
  }
}

/** Values that `monitor` and `filename` can refer to. */
function candidates({ metrics, epoch, step }: CheckpointMoment): Metrics {
  return { ...metrics, epoch, step };
}

function placeOf({ name, folder }: KeptCheckpoint): Place {
  return folder === undefined ? name : { folder, name };
}

function placesOf({ kept, last, interrupted }: CheckpointState): Place[] {
  return [...kept.map(placeOf), last, interrupted].filter((place) => place !== null);
}
