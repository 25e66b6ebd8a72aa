import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatPeers, type PeerResult } from '../bench/peers/report.js';
import { formatRanking, type RankingResult } from '../bench/ranking.js';
import { formatResults, type SuiteResult } from '../bench/suite.js';
import { formatTraining, type TrainingResult } from '../bench/train.js';
import { formatKernels, longestKernels } from './kernel-table.js';
import { peersFile, profileFile, STEPS, type Profile, type StepName } from './steps.js';

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

/** The object that a bench with --json prints last; one that was ended early may have printed none. */
function jsonOf<T>(stdout: string): T | undefined {
  const start = stdout.indexOf('{\n');
  return start < 0 ? undefined : (JSON.parse(stdout.slice(start)) as T);
}

const FIGURES: Readonly<Partial<Record<StepName, (step: StepResult, out: string) => Figures>>> = {
  parity: ({ stdout }) => {
    const lines = stdout.split('\n').filter((line) => TEST_LINE.test(line));
    return { data: lines, markdown: fenced(lines.join('\n')) };
  },
  bench: ({ stdout }) => {
    const data = jsonOf<{ results: SuiteResult[] }>(stdout);
    return data && { data, markdown: fenced(formatResults(data.results, 'cuda', PLAIN)) };
  },
  ranking: ({ stdout }) => {
    const data = jsonOf<{ pairs: number; results: RankingResult[] }>(stdout);
    return data && { data, markdown: `${data.pairs} pairs\n\n${fenced(formatRanking(data.results, PLAIN))}` };
  },
  train: ({ stdout }) => {
    const data = jsonOf<{ results: TrainingResult[]; queries: number; docs: number }>(stdout);
    const table = data && formatTraining(data.results, 'cuda', PLAIN);
    return data && { data, markdown: `RankNet, ${data.queries} x ${data.docs} pairs a step\n\n${fenced(table!)}` };
  },
  peers: () => {
    if (!existsSync(peersFile)) return undefined;
    const data = JSON.parse(readFileSync(peersFile, 'utf8')) as { model: string; pairs: number; results: PeerResult[] };
    const table = fenced(formatPeers(data.results, 'cuda', PLAIN));
    return { data, markdown: `${data.model}, ${data.pairs} pairs\n\n${table}` };
  },
  profile: (_, out) => {
    const found = (['score', 'train'] satisfies Profile[]).flatMap((profile) => {
      const file = profileFile(out, profile);
      if (!existsSync(file)) return [];
      return [{ profile, kernels: longestKernels(readFileSync(file, 'utf8'), KERNELS_SHOWN) }];
    });
    const tables = found.map(({ profile, kernels }) =>
      kernels.length > 0 ? `${profile}:\n\n${formatKernels(kernels)}` : `${profile}: no kernel was profiled`,
    );
    return { data: found, markdown: tables.join('\n\n') };
  },
};

/** A step whose figures cannot be read has not failed for that; what is wrong is said in their place. */
function figuresOf(step: StepResult, out: string): Figures {
  try {
    return FIGURES[step.name]?.(step, out);
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
