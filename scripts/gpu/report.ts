import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TableOptions } from '../../src/report/table.js';
import type { Device } from '../bench/host.js';
import { formatPeers } from '../bench/peers/report.js';
import { formatRanking } from '../bench/ranking.js';
import { formatResults } from '../bench/suite.js';
import { formatTraining } from '../bench/train.js';
import { formatKernels, longestKernels } from './kernel-table.js';
import { profileFile, STEPS, type Profile, type StepName } from './steps.js';

export interface StepResult {
  name: StepName;
  outcome: 'ok' | 'failed' | 'out of time' | 'left out';
  /** Of one that is not ok: the commands and the end of what they printed. */
  why: string;
  seconds: number;
  stdout: string;
}

/** Of scripts/test.mjs and of uvu: files, what was left out, tests that failed, the sum. */
const TEST_LINE = /^(ok {3}|FAIL |\s+left out: |\s+FAIL {2}|\d+ passed, )/;
const KERNELS_SHOWN = 3;
const PLAIN = { decorated: false };

/** A step's figures as data and as Markdown; undefined where it gave none. */
type Figures = { data: unknown; markdown: string } | undefined;

function fenced(text: string): string {
  return `\`\`\`\n${text.trimEnd()}\n\`\`\``;
}

/** What the benches print with --json. */
interface Printed {
  results: never[];
  pairs?: number;
  queries?: number;
  docs?: number;
}

const TABLES: Readonly<Partial<Record<StepName, (rows: never[], device: Device, options: TableOptions) => string>>> = {
  bench: formatResults,
  ranking: formatRanking,
  train: formatTraining,
  peers: formatPeers,
};

/** The object that a bench prints last, and its table; one that was ended early may have printed none. */
function benchFigures({ name, stdout }: StepResult): Figures {
  const start = stdout.indexOf('{\n');
  const table = TABLES[name];
  if (start < 0 || !table) return undefined;
  const data = JSON.parse(stdout.slice(start)) as Printed;
  const { results, pairs, queries, docs } = data;
  const counts = [pairs && `${pairs} pairs`, queries && `RankNet, ${queries} x ${docs} pairs a step`];
  const heads = counts.filter((text) => text !== undefined).map((text) => `${text}\n\n`);
  return { data, markdown: `${heads.join('')}${fenced(table(results, 'cuda', PLAIN))}` };
}

function profileFigures(out: string): Figures {
  const found = (['score', 'train'] satisfies Profile[]).flatMap((profile) => {
    const file = profileFile(out, profile);
    if (!existsSync(file)) return [];
    return [{ profile, kernels: longestKernels(readFileSync(file, 'utf8'), KERNELS_SHOWN) }];
  });
  const tables = found.map(({ profile, kernels }) =>
    kernels.length > 0 ? `${profile}:\n\n${formatKernels(kernels)}` : `${profile}: no kernel was profiled`,
  );
  return { data: found, markdown: tables.join('\n\n') };
}

/** A step whose figures cannot be read has not failed for that; what is wrong is said in their place. */
function figuresOf(step: StepResult, out: string): Figures {
  try {
    if (step.name === 'profile') return profileFigures(out);
    if (step.name !== 'parity') return benchFigures(step);
    const lines = step.stdout.split('\n').filter((line) => TEST_LINE.test(line));
    return { data: lines, markdown: fenced(lines.join('\n')) };
  } catch (error) {
    return { data: undefined, markdown: fenced((error as Error).message) };
  }
}

/** report.md and report.json of the steps so far. */
export function writeReport(out: string, facts: readonly string[], results: readonly StepResult[]): void {
  const steps = results.map((step) => ({
    ...step,
    figures: step.outcome === 'left out' ? undefined : figuresOf(step, out),
  }));
  const sections = steps.flatMap(({ name, outcome, why, figures }) => [
    `## ${name}`,
    STEPS[name].what,
    ...(figures ? [figures.markdown] : []),
    ...(why === '' ? [] : [`${outcome}:`, fenced(why)]),
  ]);
  const lines = steps.map(({ name, outcome, seconds }) => `| ${name} | ${outcome} | ${seconds.toFixed(0)} |`);
  const table = ['| step | outcome | seconds |', '|---|---|---|', ...lines].join('\n');
  const head = ['# On a GPU host', facts.map((fact) => `- ${fact}`).join('\n'), table];
  writeFileSync(join(out, 'report.md'), `${[...head, ...sections].join('\n\n')}\n`);
  const data = steps.map(({ name, outcome, why, seconds, figures }) => {
    return { name, outcome, why, seconds, figures: figures?.data };
  });
  writeFileSync(join(out, 'report.json'), `${JSON.stringify({ facts, steps: data }, null, 2)}\n`);
}
