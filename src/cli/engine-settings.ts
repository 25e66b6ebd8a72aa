import type { Config } from '../config/schema/schema.js';
import type { EngineOptions } from '../engine/engine-options.js';
import { chooseDevice } from '../engine/device.js';
import { loadBinding } from '../engine/load-binding.js';
import { refuseGiven, type PlaceOf } from './config-plan.js';

/** What a configuration says of where the model computes. */
export type EngineSettings = Pick<EngineOptions, 'device' | 'tf32' | 'memoryFraction' | 'threads' | 'tokenizerThreads'>;

/**
 * `trainer.accelerator` and `trainer.devices` as the engine's device: Lightning counts devices by a number, and names
 * them in a list or in text with a comma.
 */
export function engineSettings(trainer: Config['trainer'], placeOf: PlaceOf): EngineSettings {
  const { accelerator, devices } = trainer;
  const named = namedDevices(devices);
  const known = ['auto', 'cpu', 'gpu', 'cuda'];
  refuseGiven(
    [
      {
        given: !known.includes(accelerator),
        path: ['trainer', 'accelerator'],
        what: `"${accelerator}" is not built; the engine computes on CPUs and on NVIDIA GPUs`,
        hint: 'Set trainer.accelerator to auto, cpu or gpu.',
      },
      {
        given: named === undefined || named.length > 1,
        path: ['trainer', 'devices'],
        what: 'this release computes on one device',
        hint: 'Set trainer.devices to auto, to 1 or to the number of one GPU in a list; trainer.threads says how many cores are used.',
      },
    ],
    placeOf,
  );
  const index = named?.[0];
  const path = ['trainer', index === undefined ? 'accelerator' : 'devices'];
  const where = `${placeOf(path)}: ${path.join('.')}`;
  const device = deviceOf(accelerator, index);
  return {
    // a GPU that is asked for by name is looked for here, where the key can be named
    device: device.startsWith('cuda') ? chooseDevice(device, where, () => loadBinding().info().devices) : device,
    tf32: trainer.tf32,
    memoryFraction: trainer.memory_fraction ?? undefined,
    threads: trainer.threads ?? undefined,
    tokenizerThreads: trainer.tokenizer_threads ?? undefined,
  };
}

function deviceOf(accelerator: string, index: number | undefined): string {
  if (accelerator === 'cpu') return 'cpu';
  if (index !== undefined) return `cuda:${index}`;
  return accelerator === 'auto' ? 'auto' : 'cuda';
}

/** Numbers of GPUs; [undefined] for one of the engine's choice; undefined for another count. */
function namedDevices(devices: number | string | number[]): (number | undefined)[] | undefined {
  if (Array.isArray(devices)) return devices;
  const text = String(devices).trim();
  if (/^\d+(?:\s*,\s*\d+)*,?$/.test(text) && text.includes(',')) {
    return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  }
  // -1: all of them, which is one on most machines; which is taken shows in the summary
  return ['auto', '1', '-1'].includes(text) ? [undefined] : undefined;
}
