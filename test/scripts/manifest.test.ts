import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isWithin } from '../../scripts/lib/tools.mjs';

const test = suite('package.json');
const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
const { engines, files } = JSON.parse(manifest) as { engines: { node: string }; files: string[] };

const VERSIONS: Readonly<Record<string, boolean>> = {
  '9.99.0': false,
  '18.20.8': false,
  '20.9.0': false,
  '20.18.3': false,
  '20.19.0': true,
  '20.20.1': true,
  '21.7.3': false,
  '22.11.0': false,
  '22.12.0': true,
  '22.9.9': false,
  '24.0.0': true,
  '100.0.0': true,
};

for (const [version, expected] of Object.entries(VERSIONS)) {
  test(`set-up ${expected ? 'takes' : 'refuses'} ${version}, as package.json says`, () => {
    assert.is(isWithin(version, engines.node), expected);
  });
}

test('a range of another kind is an error, not a version let through', () => {
  assert.throws(() => isWithin('22.12.0', '>=20 <23'), /only \^1\.2\.3 and >=1\.2\.3/);
});

test('what the README links to is in the package', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path!);
  assert.ok(links.length > 0);
  const always = ['LICENSE', 'README.md', 'package.json'];
  const missing = links.filter(
    (path) => ![...files, ...always].some((kept) => path === kept || path.startsWith(`${kept}/`)),
  );
  assert.equal(missing, []);
});

test.run();
