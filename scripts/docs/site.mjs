// Makes the documentation's site in build/site/html: README.md, docs/ and the reference of the API, with a search.
// usage: npm run docs. A link that leads nowhere, or to a heading that is not there, ends it with an error.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize, relative, resolve } from 'node:path';
import { filesBelow } from '../lib/hash.mjs';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';

const REPOSITORY = 'https://github.com/rank-distillm/rank-distillm';
const site = join(root, 'site');
const pages = join(root, 'build/site/pages');
const html = join(root, 'build/site/html');
const base = process.env['SITE_BASE'] ?? '/';

/** Packages of the site are its own: no other script of the checkout needs them. */
async function installPackages() {
  const lock = readFileSync(join(site, 'package-lock.json'), 'utf8');
  const stamp = join(site, 'node_modules/.installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('installing the packages of the site');
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=warn'], {
    what: 'npm ci',
    cwd: site,
  });
  writeFileSync(stamp, lock);
}

/** Copies what readers see; links to other files of the repository lead to where it is published. */
function layOutPages() {
  rmSync(join(root, 'build/site'), { recursive: true, force: true });
  mkdirSync(pages, { recursive: true });
  symlinkSync(join(site, 'node_modules'), join(root, 'build/site/node_modules')); // what pages import is looked for beside them
  const documents = [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'examples/README.md'],
    ...filesBelow(join(root, 'docs')).map((file) => relative(root, file)),
  ];
  for (const file of documents) {
    mkdirSync(dirname(join(pages, file)), { recursive: true });
    if (!file.endsWith('.md')) {
      cpSync(join(root, file), join(pages, file));
      cpSync(join(root, file), join(pages, 'public', file)); // for links to it
      continue;
    }
    const text = readFileSync(join(root, file), 'utf8').replace(
      /(\]\()([^()\s#:]+)((?:#[^()\s]*)?\))/g,
      (link, start, target, end) => {
        const path = normalize(join(dirname(file), target));
        if (documents.includes(path)) return link;
        if (!existsSync(join(root, path))) throw new SetupError(`${file}: ${target}: no such file`);
        const kind = statSync(join(root, path)).isDirectory() ? 'tree' : 'blob';
        return `${start}${REPOSITORY}/${kind}/main/${path}${end}`;
      },
    );
    writeFileSync(join(pages, file), text);
  }
}

async function writeReference() {
  await run(
    process.execPath,
    [join(site, 'node_modules/typedoc/bin/typedoc'), '--options', join(site, 'typedoc.json')],
    { what: 'typedoc', cwd: site },
  );
}

/** Links within the site whose page or heading is not there. VitePress itself looks for pages alone. */
function deadLinks() {
  const files = filesBelow(html, (name) => name.endsWith('.html'));
  const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
  const ids = new Map(
    [...texts].map(([file, text]) => [file, new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]),
  );
  return files.flatMap((file) =>
    [...(texts.get(file) ?? '').matchAll(/<a [^>]*?href="([^"]+)"/g)].flatMap(([, href = '']) => {
      if (/^[a-z]+:/.test(href)) return [];
      const [path = '', anchor] = href.replaceAll('&amp;', '&').split('#');
      const from = path.startsWith('/') ? join(html, path.slice(base.length)) : resolve(dirname(file), path);
      const target =
        path === ''
          ? file
          : [from, `${from}.html`, join(from, 'index.html')].find(
              (name) => existsSync(name) && statSync(name).isFile(),
            );
      const isThere = target !== undefined && (!anchor || (ids.get(target)?.has(decodeURIComponent(anchor)) ?? true));
      return isThere ? [] : [`${relative(html, file)}: ${href}`];
    }),
  );
}

try {
  await installPackages();
  layOutPages();
  await writeReference();
  await run(process.execPath, [join(site, 'node_modules/vitepress/bin/vitepress.js'), 'build', site], {
    what: 'vitepress',
    cwd: site,
  });
  const dead = [...new Set(deadLinks())];
  if (dead.length > 0) throw new SetupError(`links that lead nowhere:\n${dead.join('\n')}`);
  say(
    `${html}: ${readdirSync(html, { recursive: true }).filter((name) => String(name).endsWith('.html')).length} pages`,
  );
} catch (error) {
  giveUp(error);
}
