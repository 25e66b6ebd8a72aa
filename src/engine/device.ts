import { docsPage } from '../errors.js';
import { SettingError, type SettingPath } from '../config/setting-error.js';

const CPU = 'cpu';
const PATTERN = /^(?:auto|cpu|cuda(?::(?:0|[1-9]\d*))?)$/;

/**
 * Resolves a device to `cpu` or `cuda:N`. `auto` and null are the first GPU, or the CPU if there is none.
 *
 * @param path of the setting, for errors
 * @param devices lists the engine's devices; called only if needed, since a driver takes time to start
 * @throws SettingError `bad_input` for an invalid name, `unsupported` for a missing GPU
 */
export function chooseDevice(
  asked: string | null,
  path: SettingPath,
  devices: (asked: string) => readonly string[],
): string {
  const name = asked ?? 'auto';
  if (!PATTERN.test(name)) {
    throw new SettingError(path, `expected auto, cpu, cuda or cuda:N, received "${name}"`, {
      hint: 'Use cpu, or cuda on a machine with an NVIDIA GPU.',
    });
  }
  if (name === CPU) return name;
  const gpus = devices(name).filter((found) => found !== CPU);
  if (name === 'auto') return gpus[0] ?? CPU;
  const wanted = name === 'cuda' ? 'cuda:0' : name;
  if (gpus.includes(wanted)) return wanted;
  const [message, hint] =
    gpus.length === 0
      ? [
          'no GPU was found: the machine has no NVIDIA driver, or this build of the engine has no CUDA',
          `Use cpu. \`npx rank-distillm doctor --gpu\` shows what was found, ${docsPage('cuda')} how to get an engine with CUDA.`,
        ]
      : [`there is no such GPU; found: ${gpus.join(', ')}`, 'Choose one of these.'];
  throw new SettingError(path, `${name}: ${message}`, { hint, code: 'unsupported' });
}
