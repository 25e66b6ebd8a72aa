import { spawn } from 'node:child_process';
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve, type RerankServer } from '../../src/serve/serve.js';
import { faults, openBrowser } from '../support/browser.js';
import { modelFolder } from '../support/models.js';

const test = suite('the page of the server in a browser');

const browser = await openBrowser();

async function withPage(
  options: object,
  use: (page: Page, server: RerankServer) => Promise<void>,
  apiKeys: string[] = [],
): Promise<void> {
  await using server = await serve({ models: { tiny: modelFolder(), other: modelFolder() }, port: 0, apiKeys });
  const context = await browser!.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  try {
    await page.goto(server.url);
    await use(page, server);
    assert.equal(
      complaints.filter((text) => apiKeys.length === 0 || !text.includes('401')),
      [],
    );
  } finally {
    await context.close();
  }
}

if (browser) {
  test.after(() => browser.close());

  const results = (page: Page) => page.locator('.ranking li').count();

  test('ranks by keyboard alone and shows the request as code', () =>
    withPage({}, async (page, { url }) => {
      await page.getByLabel('Query').focus();
      await page.keyboard.press('Control+a');
      await page.keyboard.type('<b>query</b>');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Control+a');
      await page.keyboard.type('one <i>document</i>\n\nanother one');
      for (const _ of ['model', 'key', 'button']) await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.locator('.ranking li').first().waitFor();
      assert.is(await results(page), 2);
      assert.match(await page.getByRole('status').innerText(), /^2 documents, \d+ tokens, \d+ ms/);
      assert.match(await page.locator('.ranking').innerText(), 'one <i>document</i>');
      const bars = await page.locator('meter').all();
      const values = await Promise.all(bars.map(async (bar) => Number(await bar.getAttribute('value'))));
      assert.ok(values[0]! >= values[1]!);
      const curl = await page.locator('pre').first().textContent();
      assert.match(curl!, `curl ${url}/v1/rerank`);
      const { code, stdout } = await shell(curl!);
      assert.is(code, 0);
      assert.equal(
        (JSON.parse(stdout) as { results: { relevance_score: number }[] }).results.map((one) => one.relevance_score),
        values,
      );
    }));

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${colorScheme}: axe finds nothing serious, before and after a ranking`, () =>
      withPage({ colorScheme, viewport: { width: 400, height: 900 } }, async (page) => {
        assert.equal(await faults(page), []);
        await page.getByRole('button', { name: 'Rank' }).click();
        await page.locator('.ranking li').first().waitFor();
        await page.locator('summary').first().click();
        assert.equal(await faults(page), []);
      }));
  }

  test('asks for a key where the server does', () =>
    withPage(
      {},
      async (page) => {
        await page.getByText('give a key of this server').waitFor();
        await page.getByLabel('Key').fill('secret');
        await page.getByLabel('Key').blur();
        await page.locator('select option').nth(1).waitFor({ state: 'attached' });
        await page.getByRole('button', { name: 'Rank' }).click();
        await page.locator('.ranking li').first().waitFor();
        const code = await page.locator('.code').textContent();
        assert.not.match(code!, 'secret');
        assert.match(code!, 'RANK_DISTILLM_KEY');
      },
      ['secret'],
    ));
}

async function shell(command: string): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command.replace(/^curl/, 'curl -s')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.on('close', (code) => resolve({ code, stdout }));
  });
}

test.run();
