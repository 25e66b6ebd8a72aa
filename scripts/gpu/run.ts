// The steps of a GPU host one after another, each under its own time limit; run.sh starts it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, type WriteStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import { findHost, hostFacts, type Host } from './host.js';
import { writeReport, type StepResult } from './report.js';
import { STEPS, type Command, type Step, type StepName } from './steps.js';

const NAMES = Object.keys(STEPS) as StepName[];
const USAGE = `usage: bash scripts/gpu/run.sh [--out FOLDER] [STEP ...]

Builds the addon for CUDA, tests it, measures it, and writes report.md, report.json, log.txt and Nsight Compute's raw
figures into the folder: default $OUT where that is set, else build/gpu-report. The report says which step
failed or ran out of time; the others still run. Steps are taken in the order they are named; default: all, in this order.

${NAMES.map((name) => `  ${name.padEnd(9)} ${STEPS[name].what}, ${STEPS[name].seconds} s at most`).join('\n')}

RANK_DISTILLM_LIBTORCH names a LibTorch with CUDA; default: python3's torch (RANK_DISTILLM_PYTHON: another Python's).`;

/** Of what a command printed, for the report of one that failed. */
const KEPT_CHARACTERS = 4000;
/** Between the end of its time and being killed. */
const GRACE_SECONDS = 8;
/** What `timeout` gives back. */
const TIMED_OUT = [124, 137];

/** Runs a command under a limit; `timeout` ends what it has started, too. */
async function runCommand({ argv, env }: Command, seconds: number, host: Host, log: WriteStream) {
  log.write(`\n$ ${argv.join(' ')}\n`);
  const limit = ['--verbose', `--kill-after=${GRACE_SECONDS}`, String(Math.floor(seconds))];
  const child = spawn('timeout', [...limit, ...argv], {
    cwd: root,
    env: { ...host.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let said = '';
  const keep = (text: string): void => {
    log.write(text);
    said = (said + text).slice(-KEPT_CHARACTERS);
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    keep(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text); // progress; figures come at the end, in the report
    keep(text);
  });
  child.on('error', ({ message }) => keep(message));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, said };
}

async function runStep(name: StepName, host: Host, out: string, log: WriteStream): Promise<StepResult> {
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  const { commands, seconds }: Step = STEPS[name];
  const found = commands(host, out);
  if ('leftOut' in found) return { name, outcome: 'left out', why: found.leftOut, seconds: 0, stdout: '' };
  const result: StepResult = { name, outcome: 'ok', why: '', seconds: 0, stdout: '' };
  for (const command of found) {
    const left = seconds - elapsed() - GRACE_SECONDS;
    const limit = Math.max(1, Math.min(left, command.most ?? left));
    const { code, stdout, said } = await runCommand(command, limit, host, log);
    result.stdout += stdout;
    if (code === 0 || command.mayFail) continue;
    result.outcome = TIMED_OUT.includes(code ?? 0) ? 'out of time' : 'failed';
    result.why += `${command.argv.join(' ')}: ${code}\n${said}\n`;
    if (name === 'build') break; // nothing to compile where CMake failed
  }
  return { ...result, seconds: elapsed() };
}

await runScript(USAGE, { out: { type: 'string' } }, async (values, positionals) => {
  const unknown = positionals.find((word) => !NAMES.some((name) => name === word));
  if (unknown !== undefined) throw new SetupError(`${unknown}: no such step`, `There are: ${NAMES.join(', ')}`);
  const chosen = positionals.length === 0 ? NAMES : (positionals as StepName[]); // in the order they are named
  const out = resolve(values.out ?? process.env['OUT'] ?? join(root, 'build/gpu-report'));
  mkdirSync(out, { recursive: true });
  const host = findHost();
  const facts = hostFacts(host);
  const log = createWriteStream(join(out, 'log.txt'));
  const results: StepResult[] = [];
  for (const name of chosen) {
    process.stderr.write(`\ngpu: ${name}: ${STEPS[name].what}\n`);
    results.push(await runStep(name, host, out, log));
    writeReport(out, facts, results); // after each, in case the next one is the last
  }
  log.end();
  console.log(readFileSync(join(out, 'report.md'), 'utf8'));
  if (results.some(({ outcome }) => outcome !== 'ok' && outcome !== 'left out')) process.exitCode = 1;
});
