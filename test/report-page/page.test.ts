import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { worldToReport } from '../../scripts/docs/report-of-world.js';
import { faults, openBrowser } from '../support/browser.js';
import { run } from '../support/cli.js';
import { temporaryFolder, useOwnCache } from '../support/files.js';

const test = suite('the report in a browser');
useOwnCache(test);

const browser = await openBrowser();
const MARKUP = '<b onclick="x()">bold</b></script>';

/** Opens the page; what the browser complains of, and what it asks of a network, fails the test. */
async function withPage(file: string, options: object, use: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser!.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url())) complaints.push(`asks for ${request.url()}`);
  });
  try {
    await page.goto(pathToFileURL(file).href);
    await use(page);
    assert.equal(complaints, []);
  } finally {
    await context.close();
  }
}

if (browser) {
  const folder = temporaryFolder();
  const file = join(folder, 'report.html');
  test.before(async () => {
    const { code, stderr } = await run([...(await worldToReport(folder, MARKUP)), '--output', file]);
    assert.is(code, 0, stderr);
  });
  test.after(() => browser.close());

  const column = (page: Page, nth: number) => page.locator(`#queries tbody tr > :nth-child(${nth})`).allInnerTexts();

  test('shows the table, a chart for each figure, and no complaint', () =>
    withPage(file, {}, async (page) => {
      assert.equal(await page.locator('#results table').first().locator('tbody th').allInnerTexts(), [
        'bm25 baseline',
        'teacher',
        'teacher-noisy',
      ]);
      assert.ok((await page.locator('svg[role=img][aria-label]').count()) >= 6);
      const sections = ['Results', 'Queries', 'Rankings', 'Training', 'What made it'];
      assert.equal(await page.locator('nav a').allInnerTexts(), sections);
      assert.match(await page.locator('#origin').innerText(), /rank-distillm report --qrels/);
    }));

  test('sorts by a column, either way', () =>
    withPage(file, {}, async (page) => {
      const head = page.locator('#queries thead th', { hasText: 'System' });
      const values = async () => (await column(page, 4)).map(Number);
      await head.getByRole('button').click();
      assert.is(await head.getAttribute('aria-sort'), 'descending');
      const descending = await values();
      assert.ok(new Set(descending).size > 1);
      assert.equal(
        descending,
        descending.toSorted((a, b) => b - a),
      );
      await head.getByRole('button').press('Enter');
      assert.is(await head.getAttribute('aria-sort'), 'ascending');
      assert.equal(
        await values(),
        descending.toReversed().sort((a, b) => a - b),
      );
    }));

  test('filters by words and by gains', () =>
    withPage(file, {}, async (page) => {
      const all = await column(page, 1);
      const [word] = all[0]!.split(' ').toReversed();
      await page.getByLabel('Filter').fill(word!);
      const kept = await column(page, 1);
      assert.equal(kept.toSorted(), all.filter((text) => text.toLowerCase().includes(word!.toLowerCase())).sort());
      await page.getByLabel('Filter').fill('');
      await page.getByRole('combobox', { name: 'Show', exact: true }).selectOption('losses');
      assert.ok((await column(page, 5)).every((text) => text.startsWith('−')));
      await page.getByLabel('Filter').fill('no query has these words');
      assert.equal(await column(page, 1), []);
    }));

  test('opens a query with the keyboard: both rankings, texts as text, and back', () =>
    withPage(file, {}, async (page) => {
      const button = page.locator('#queries tbody button').first();
      await button.focus();
      await page.keyboard.press('Enter');
      const dialog = page.getByRole('dialog');
      await dialog.locator('h3').nth(1).waitFor();
      assert.is(await dialog.locator('h2').innerText(), await button.textContent());
      assert.is(await dialog.locator('section').count(), 2);
      const [left, right] = [dialog.locator('section').first(), dialog.locator('section').last()];
      assert.match(await left.innerText(), /^bm25/);
      // the rank on the right that the left side names is the one on the right
      const goes = left.locator('tbody tr', { hasText: /→ \d/ }).first();
      const rank = /→ (\d+)/.exec(await goes.innerText())![1]!;
      const there = right.locator('tbody tr').nth(Number(rank) - 1);
      assert.is(await there.locator('code').innerText(), await goes.locator('code').innerText());
      assert.ok((await dialog.innerText()).includes(MARKUP));
      assert.is(await dialog.locator('b').count(), 0);
      await page.keyboard.press('Escape');
      assert.is(await page.locator('dialog[open]').count(), 0);
      assert.is(await page.evaluate('document.activeElement.textContent'), await button.textContent());
    }));

  test('another system changes chart, list and matrix', () =>
    withPage(file, {}, async (page) => {
      const before = await column(page, 5);
      const system = page.getByRole('combobox', { name: 'System', exact: true });
      const shown = await system.inputValue();
      await system.selectOption(shown === 'teacher' ? 'teacher-noisy' : 'teacher');
      assert.not.equal(await column(page, 5), before);
      const other = await system.inputValue();
      assert.match(await page.locator('#rankings').innerText(), new RegExp(`and in ${other} \\(columns\\)`));
    }));

  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing serious, ${colorScheme}`, () =>
      withPage(file, { colorScheme, bypassCSP: true }, async (page) => {
        assert.equal(await faults(page), []);
        await page.locator('#queries tbody button').first().click();
        await page.locator('dialog h3').nth(1).waitFor();
        assert.equal(await faults(page), []);
      }));
  }

  const overflow = (file: string): Promise<void> =>
    withPage(file, { viewport: { width: 390, height: 800 } }, async (page) => {
      const [wide, seen] = await page.evaluate<[number, number]>(
        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
      );
      assert.ok(wide <= seen, `${wide} > ${seen}`);
    });
  test('a narrow window scrolls down only', () => overflow(file));

  test('two datasets with long names: a column and a choice for each, and a narrow window scrolls down only', async () => {
    const experiments = join(folder, 'experiments');
    const names = [2019, 2020].map((year) => `msmarco-passage-trec-dl-${year}-judged`);
    for (const system of ['bm25', 'teacher']) {
      await mkdir(join(experiments, system), { recursive: true });
      const prefix = system === 'bm25' ? '' : 'bm25_';
      for (const name of names) {
        await copyFile(join(folder, `${system}.run`), join(experiments, system, `${prefix}${name}.run`));
      }
    }
    const qrels = names.map((name) => `${name}=${join(folder, 'qrels.test.txt')}`);
    const several = join(folder, 'several.html');
    const argv = ['compare', experiments, '--qrels', ...qrels, '--resamples', '100', '--report', several];
    const { code, stderr } = await run(argv);
    assert.is(code, 0, stderr);
    await overflow(several);
    await withPage(several, {}, async (page) => {
      const ids = [2019, 2020].map((year) => `msmarco-passage/trec-dl-${year}/judged`);
      const heads = await page.locator('#results table').first().locator('thead th').allTextContents();
      assert.equal(heads, ['System', ...ids, 'msmarco-passage (mean)']);
      const dataset = page.getByRole('combobox', { name: 'Dataset', exact: true });
      assert.equal(await dataset.locator('option').allTextContents(), ids);
      await dataset.selectOption({ label: ids[1]! });
      assert.is(await page.locator('#queries tbody tr').count(), 60);
    });
  });

  test.run();
}
