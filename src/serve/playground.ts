import { readFileSync } from 'node:fs';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { packagePath, RankDistillmError } from '../errors.js';
import type { ServerEnv } from './app.js';

const SHELL = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>rank-distillm</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="page.css" />
    <script src="page.js" defer></script>
  </head>
  <body></body>
</html>
`;

/** Only the page's own program runs in it, and it calls this server alone. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

/** A page at `/` to try the server: its program is bundled from page/ when the package is built. */
export function addPlayground(app: OpenAPIHono<ServerEnv>): void {
  const files = { '/page.js': 'text/javascript; charset=utf-8', '/page.css': 'text/css; charset=utf-8' } as const;
  app.get('/', (c) => c.html(SHELL, 200, { 'content-security-policy': POLICY, 'cache-control': 'no-cache' }));
  for (const [path, type] of Object.entries(files)) {
    app.get(path, (c) => c.body(pageFile(path), 200, { 'content-type': type, 'cache-control': 'no-cache' }));
  }
}

function pageFile(path: string): string {
  const file = packagePath(`dist/serve${path}`);
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const hint = 'Install the package again, or run npm run setup in a checkout.';
    throw new RankDistillmError('io', `${file}: the program of the page is missing`, { hint, cause });
  }
}
