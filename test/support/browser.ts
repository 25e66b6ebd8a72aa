import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';

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

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Faults that keep people out, by axe's rules. The scripts of axe need no permission of the page's policy. */
export async function faults(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}
