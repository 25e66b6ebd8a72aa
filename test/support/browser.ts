import { execFileSync, spawnSync } from 'node:child_process';
import { chromium, type Browser } from 'playwright-core';

const find = (): string | undefined =>
  spawnSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).stdout.trim() || undefined;

/**
 * Debian's Chromium, which is installed where apt and the right to use it are there; undefined otherwise and in CI, with
 * a line that says so.
 */
export async function openBrowser(): Promise<Browser | undefined> {
  const leftOut = (why: string): undefined => void console.log(`left out: tests of the page in a browser: ${why}`);
  if (process.env['CI']) return leftOut('never in CI');
  if (find() === undefined) {
    if (process.getuid?.() !== 0) return leftOut('chromium is not installed');
    try {
      execFileSync('sh', ['-c', 'apt-get update -q && apt-get install -y -q --no-install-recommends chromium'], {
        stdio: 'ignore',
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    } catch {
      return leftOut('apt-get install chromium fails here');
    }
  }
  // the sandbox needs rights that containers lack, and the page is ours
  return chromium.launch({ executablePath: find()!, args: ['--no-sandbox'] });
}
