// Draws the README's speed chart from the JSON of a benchmark.
// usage: npx tsx scripts/docs/speed-chart.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { OURS } from '../bench/peers/contenders.js';

const figures = new URL('../../docs/figures/', import.meta.url);

/** What the chart needs of the JSON that `npm run bench -- peers --out FILE` writes, and a name for the machine. */
export interface SpeedReport {
  machine: { name: string };
  pairs: number;
  results: readonly {
    name: string;
    version: string;
    precision: string;
    pairsPerSecond: number;
    /** How many times as fast ours is; ours has none. */
    ratio?: number;
  }[];
}

interface Theme {
  text: string;
  quiet: string;
  ours: string;
  theirs: string;
}

/** GitHub's colours, so that the text has enough contrast on its pages. */
export const THEMES: Readonly<Record<'light' | 'dark', Theme>> = {
  light: { text: '#1f2328', quiet: '#59636e', ours: '#0969da', theirs: '#afb8c1' },
  dark: { text: '#f0f6fc', quiet: '#9198a1', ours: '#4493f8', theirs: '#656c76' },
};

const PRECISIONS = { float32: 'float32', int8: 'int8 (rank-distillm: 16-bit integers on this CPU)' };

const WIDTH = 760;
const LABELS = 250;
const ROW = 26;
const BAR = 17;
const LONGEST_BAR = WIDTH - LABELS - 70;

/** A library's fastest way in each precision, fastest first. */
function fastest(results: SpeedReport['results'], precision: string): SpeedReport['results'] {
  const sorted = results
    .filter((result) => result.precision === precision)
    .map((result) => ({ ...result, name: result.name.split(',')[0]! }))
    .sort((a, b) => b.pairsPerSecond - a.pairsPerSecond);
  return sorted.filter(({ name }, i) => sorted.findIndex((other) => other.name === name) === i);
}

export function speedChart({ machine, pairs, results }: SpeedReport, theme: Theme): string {
  const most = Math.max(...results.map(({ pairsPerSecond }) => pairsPerSecond));
  const parts: string[] = [];
  const text = (x: number, y: number, content: string, attributes: string): void =>
    void parts.push(`<text x="${x}" y="${y}" ${attributes}>${content}</text>`);

  text(0, 18, 'Query-document pairs scored per second', `font-size="16" font-weight="600" fill="${theme.text}"`);
  const quiet = `font-size="12.5" fill="${theme.quiet}"`;
  text(0, 38, `ELECTRA-base on ${machine.name}; ${pairs} pairs of TREC DL 2020; longer is better`, quiet);
  let y = 52;
  for (const [precision, label] of Object.entries(PRECISIONS)) {
    y += 20;
    text(0, y, label, `font-size="13" font-weight="600" fill="${theme.text}"`);
    y += 8;
    for (const { name, version, pairsPerSecond } of fastest(results, precision)) {
      const ours = name === OURS;
      const length = Math.round((pairsPerSecond / most) * LONGEST_BAR);
      const line = y + 14;
      const weight = ours ? ' font-weight="600"' : '';
      const library = ours ? name : `${name} ${version}`;
      text(LABELS - 10, line, library, `font-size="13"${weight} text-anchor="end" fill="${theme.text}"`);
      const fill = ours ? theme.ours : theme.theirs;
      parts.push(`<rect x="${LABELS}" y="${y}" width="${length}" height="${BAR}" rx="2" fill="${fill}"/>`);
      text(LABELS + length + 8, line, pairsPerSecond.toFixed(1), `font-size="13"${weight} fill="${theme.text}"`);
      y += ROW;
    }
  }
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" ` +
    `font-family="-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif">`;
  return [head, '<title>Query-document pairs scored per second</title>', ...parts, '</svg>', ''].join('\n');
}

export function readSpeedReport(): SpeedReport {
  return JSON.parse(readFileSync(new URL('peers-zen3.json', figures), 'utf8')) as SpeedReport;
}

export function chartFile(theme: keyof typeof THEMES): string {
  return fileURLToPath(new URL(`speed-${theme}.svg`, figures));
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  const report = readSpeedReport();
  for (const theme of ['light', 'dark'] as const) writeFileSync(chartFile(theme), speedChart(report, THEMES[theme]));
}
