// Takes the screenshots of the report for the documentation, of an invented world; with a page as argument, says how large
// it is and how long it takes to load instead.
// usage: npx tsx scripts/docs/report-screenshots.ts [report.html]
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { runVerb } from '../lib/command.js';
import { worldToReport } from './report-of-world.js';

const figures = fileURLToPath(new URL('../../docs/figures/', import.meta.url));
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });

/** Seconds until the charts are drawn, and until a query shows its rankings; medians of five. */
async function measure(file: string): Promise<void> {
  const times: [load: number, query: number][] = [];
  for (let i = 0; i < 5; i++) {
    const page = await browser.newPage();
    const start = performance.now();
    await page.goto(pathToFileURL(file).href);
    await page.locator('#rankings svg').first().waitFor();
    const loaded = performance.now();
    await page.locator('#queries tbody button').first().click();
    await page.locator('dialog tbody tr').first().waitFor();
    times.push([loaded - start, performance.now() - loaded]);
    await page.close();
  }
  const median = (which: 0 | 1): string =>
    (times.map((pair) => pair[which]).sort((a, b) => a - b)[2]! / 1000).toFixed(2);
  const megabytes = (statSync(file).size / 1e6).toFixed(2);
  console.log(`${file}: ${megabytes} MB, loads in ${median(0)} s, opens the first query in ${median(1)} s`);
}

async function takeScreenshots(folder: string): Promise<void> {
  const file = join(folder, 'report.html');
  await runVerb([...(await worldToReport(folder)), '--title', 'Rankings of an invented world', '--output', file]);
  const shots = [
    { name: 'light', width: 1000, height: 640, colorScheme: 'light', at: '#queries' },
    { name: 'dark', width: 1000, height: 640, colorScheme: 'dark', at: 'dialog' },
    { name: 'narrow', width: 400, height: 700, colorScheme: 'light', at: 'body' },
  ] as const;
  for (const { name, width, height, colorScheme, at } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(pathToFileURL(file).href);
    if (at === 'dialog') {
      await page.locator('#queries tbody button').first().click();
      await page.locator('dialog tbody tr').first().waitFor();
    } else if (at === '#queries') await page.evaluate('scrollTo(0, document.querySelector(".bar").offsetTop - 8)');
    await page.screenshot({ path: join(figures, `report-${name}.png`) });
    await page.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'report-'));
try {
  const [given] = process.argv.slice(2);
  if (given === undefined) await takeScreenshots(folder);
  else await measure(given);
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}
