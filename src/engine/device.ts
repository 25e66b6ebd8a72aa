import { docsPage } from '../errors.js';
import { SettingError, type SettingPath } from '../config/setting-error.js';

const CPU = 'cpu';
const PATTERN = /^(?:auto|cpu|cuda(?::(?:0|[1-9]\d*))?)$/;

/**
 * The device that is meant, `cpu` or `cuda:N`. `auto` and undefined are the first GPU where there is one.
 *
 * @param path of the setting, for errors
 * @param devices what the engine found; asked for only where the answer depends on it, since a driver takes time to start
 * @throws SettingError `bad_input` for a name that is none, `unsupported` for a GPU that is not there
 */
export function chooseDevice(asked: string | null, path: SettingPath, devices: () => readonly string[]): string {
  const name = asked ?? 'auto';
  if (!PATTERN.test(name)) {
    throw new SettingError(path, `expected auto, cpu, cuda or cuda:N, received "${name}"`, {
      hint: 'Use cpu, or cuda on a machine with an NVIDIA GPU.',
    });
  }
  if (name === CPU) return name;
  const gpus = devices().filter((found) => found !== CPU);
  if (name === 'auto') return gpus[0] ?? CPU;
  const wanted = name === 'cuda' ? 'cuda:0' : name;
  if (gpus.includes(wanted)) return wanted;
  const [message, hint] =
    gpus.length === 0
      ? [
          'no GPU was found: this build of the engine has no CUDA, or the machine no NVIDIA driver',
          `Use cpu; ${docsPage('cuda')} says how to build for CUDA.`,
        ]
      : [`there is no such GPU; found: ${gpus.join(', ')}`, 'Choose one of those.'];
  throw new SettingError(path, `${name}: ${message}`, { hint, code: 'unsupported' });
}
