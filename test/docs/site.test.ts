import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBrowser } from '../support/browser.js';
import { root } from './documents.js';

const test = suite("the documentation's site in a browser");

const HTML = join(root, 'build/site/html');
const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

if (!existsSync(join(HTML, 'index.html'))) console.log('left out: there is no site; npm run docs makes it');
else {
  const browser = await openBrowser();
  if (browser) {
    const missing: string[] = [];
    const server = createServer(({ url = '/' }, answer) => {
      const path = join(HTML, decodeURIComponent(new URL(url, 'http://site').pathname));
      const file = [path, `${path}.html`, join(path, 'index.html')].find(
        (name) => existsSync(name) && statSync(name).isFile(),
      );
      if (file === undefined) {
        missing.push(url);
        return void answer.writeHead(404).end();
      }
      answer.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
      createReadStream(file).pipe(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    test.after(async () => {
      await browser.close();
      server.close();
    });

    test('pages show their text and pictures, and the search finds a page, without a complaint or a request elsewhere', async () => {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('request', (request) => {
        if (!request.url().startsWith(address) && !request.url().startsWith('data:')) complaints.push(request.url());
      });
      await page.goto(address);
      assert.match(await page.locator('h1').innerText(), /^rank-distillm/); // a link follows, of no width
      const widths = await page.evaluate<number[]>(
        "[...document.querySelectorAll('main img')].map((image) => image.naturalWidth)",
      );
      assert.ok(widths.length >= 2 && widths.every((width) => width > 100), widths.join());
      await page.keyboard.press('Control+k');
      await page.fill('.VPLocalSearchBox input', 'early stopping patience');
      await page.locator('.VPLocalSearchBox .result').first().click();
      await page.waitForURL((url) => url.pathname !== '/');
      assert.match(await page.locator('main').innerText(), /patience/i);
      await page.goto(`${address}/reference/rank-distillm/interfaces/FitOptions`);
      assert.match(await page.locator('main').innerText(), /Lightning's Trainer arguments\./);
      assert.equal([...complaints, ...missing], []);
    });
  }
}

test.run();
