import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ioError, packagePath, RankDistillmError } from '../errors.js';
import { writeAtomically } from '../io/atomic-write.js';
import { cutRankings } from './build-report.js';
import type { ReportData, ReportRankings } from './report-data.js';

/** Browsers and mail programs open a page of this size without trouble. */
const MAX_BYTES = 5_000_000;
/** Ranks shown of each ranking, tried until the page is small enough: with texts, then without. */
const SHOWN: readonly (readonly [depth: number, hasTexts: boolean])[] = [
  [Infinity, true],
  [100, true],
  [50, true],
  [20, true],
  [10, true],
  [10, false],
  [0, false],
];

async function pagePart(name: string): Promise<string> {
  const path = packagePath(`dist/report-page/${name}`);
  return readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError('read', path, error);
    const message = `${path}: the program of the report page is missing`;
    throw new RankDistillmError('io', message, {
      hint: 'Install rank-distillm again; in a checkout run npm run setup.',
    });
  });
}

/** JSON that cannot end the script element that it stands in. */
const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!);

/** The page as one file: only the bundled program runs in it, and it loads nothing. */
function pageOf(data: ReportData, rankings: string, script: string, style: string): string {
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(data.title)}</title>
<style>${style}</style>
</head>
<body>
<noscript>This report needs JavaScript, which runs within this file only.</noscript>
<script type="application/json" id="report-data">${embedded(data)}</script>
<script type="text/plain" id="report-rankings">${rankings}</script>
<script>${script}</script>
</body>
</html>
`;
}

const compress = promisify(gzip);

/**
 * Writes a report as one HTML file of at most 5 MB that needs no other file and no network. The rankings of large runs
 * are cut to fewer ranks, and the page says so.
 */
export async function writeReport(
  path: string,
  data: Omit<ReportData, 'hasTexts' | 'shownDepth'>,
  rankings: readonly ReportRankings[],
): Promise<void> {
  const [script, style] = await Promise.all([pagePart('page.js'), pagePart('page.css')]);
  for (const [depth, withTexts] of SHOWN) {
    const shown = rankings.map((all) => {
      const cut = depth === Infinity ? all : cutRankings(all, depth);
      return withTexts ? cut : { ...cut, texts: [] };
    });
    const packed = await compress(JSON.stringify(shown), { level: 9 });
    const hasTexts = shown.some(({ texts }) => texts.some((text) => text !== ''));
    const limits = { hasTexts, ...(depth === Infinity ? {} : { shownDepth: depth }) };
    const page = pageOf({ ...data, ...limits }, packed.toString('base64'), script, style);
    if (Buffer.byteLength(page) <= MAX_BYTES) return writeAtomically(path, (write) => write(page));
  }
  throw new RankDistillmError('bad_input', `${path}: the report would be larger than ${MAX_BYTES / 1e6} MB`, {
    hint: 'Give fewer runs, topics or measures.',
  });
}
