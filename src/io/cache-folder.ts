import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Where files that can be made again are kept: `$XDG_CACHE_HOME/rank-distillm`, else `~/.cache/rank-distillm`
 * (XDG Base Directory Specification 0.8; a relative XDG_CACHE_HOME is ignored, as it asks). Not created here.
 */
export function cacheFolder(): string {
  const xdg = process.env['XDG_CACHE_HOME'];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'rank-distillm');
}
