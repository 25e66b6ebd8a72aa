import { AsyncLocalStorage } from 'node:async_hooks';
import { RankDistillmError } from '../errors.js';

/** The state of one file's download. */
export interface DownloadProgress {
  /** The file, for people. */
  name: string;
  /** Bytes on disk, with those of an earlier, interrupted download. */
  bytes: number;
  /** Undefined if the server does not say. */
  totalBytes: number | undefined;
  /** True once, at the end, also of a download that failed. */
  ended: boolean;
}

/** Who hears of the downloads of some work, and who may stop them. */
export interface DownloadListener {
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Licence terms, and that another process downloads the file. */
  onNote?: ((message: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Tries of a request without progress. Default 5. */
  mostTries?: number | undefined;
}

// Names are resolved deep inside of loading a model or opening a run. The listener comes along with the asynchronous
// work, so that no function in between has to hand it on.
const listeners = new AsyncLocalStorage<DownloadListener>();
let ofProcess: DownloadListener = {};

/** Does `work`, and tells `listener` of every download that it needs. */
export function withDownloads<T>(listener: DownloadListener, work: () => Promise<T>): Promise<T> {
  return listeners.run(listener, work);
}

/**
 * Tells `listener` of all downloads of the process until the result is disposed of. It costs nothing, while after a
 * `withDownloads` Node.js 20 to 22 watch every promise of the process.
 */
export function listenToDownloads(listener: DownloadListener): Disposable {
  const before = ofProcess;
  ofProcess = listener;
  return { [Symbol.dispose]: () => void (ofProcess = before) };
}

export function downloadListener(): DownloadListener {
  return listeners.getStore() ?? ofProcess;
}

const noted = new Set<string>();

/** Tells the listener of something once in this process. */
export function noteOnce(message: string): void {
  const { onNote } = downloadListener();
  if (onNote === undefined || noted.has(message)) return;
  noted.add(message);
  onNote(message);
}

/** As in huggingface_hub. */
function isOn(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}

/** The variable that forbids the network, if one is set. Hugging Face's own forbid only its hub. */
export function offlineVariable(isHub: boolean): string | undefined {
  const names = ['RANK_DISTILLM_OFFLINE', ...(isHub ? ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'] : [])];
  return names.find((name) => isOn(process.env[name]));
}

/** @throws RankDistillmError `not_found` if the network is forbidden */
export function refuseOffline(name: string, isHub: boolean, or = 'copy the file from a machine that has it'): void {
  const variable = offlineVariable(isHub);
  if (variable === undefined) return;
  throw new RankDistillmError('not_found', `${name}: not on this machine, and ${variable} forbids to download it`, {
    hint: `Unset ${variable}, or ${or}.`,
  });
}
