import { styleText } from 'node:util';
import type { Command } from 'commander';
import { doctor } from '../doctor/doctor.js';
import type { DoctorCheck, DoctorReport } from '../doctor/report.js';
import { RankDistillmError, readable } from '../errors.js';
import { print, type CliIo } from './cli-io.js';

interface Options {
  json?: true;
  model?: string;
  gpu?: true;
}

export function addDoctorCommand(program: Command, io: CliIo): void {
  program
    .command('doctor')
    .summary('check this installation')
    .description(
      'Checks this installation and says how to fix what is wrong: the binary and why it was taken, the arithmetic of each ' +
        'precision and its speed, threads, memory, GPUs, the model cache, and scores of a small model against those of lightning-ir.',
    )
    .option('--model <name>', 'also load and measure this model, a folder or a Hugging Face id')
    .option('--gpu', 'also load LibTorch and test the GPUs')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nThe exit code is 1 when a check fails.')
    .action(async ({ json, ...options }: Options) => {
      const report = await doctor({ ...options, signal: io.signal });
      await print(io, json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report, io.stdout.isTTY === true));
      const failures = report.checks.filter(({ status }) => status === 'failed').map(({ name }) => name);
      if (failures.length === 0) return;
      throw new RankDistillmError(
        'native',
        `${failures.length} of ${report.checks.length} checks failed: ${failures.join(', ')}`,
        {
          hint: 'The report says how to fix each.',
        },
      );
    });
}

const MARKS = { ok: 'ok', warning: 'warning', failed: 'FAILED' } as const;
const COLOURS = { ok: 'green', warning: 'yellow', failed: 'red' } as const;

function textOf({ versions, variables, checks }: DoctorReport, isTerminal: boolean): string {
  const set = Object.entries(variables).map(([name, value]) => `  ${readable(`${name}=${value}`)}`);
  return [
    `rank-distillm ${versions.package}`,
    ...(set.length === 0 ? [] : ['variables that are set:', ...set]),
    '',
    ...checks.flatMap((check) => linesOf(check, isTerminal)),
    '',
  ].join('\n');
}

function linesOf({ name, status, lines, fix }: DoctorCheck, isTerminal: boolean): string[] {
  const mark = MARKS[status].padEnd(8);
  const shown = isTerminal ? styleText(COLOURS[status], mark) : mark;
  const [first = '', ...more] = lines.map(readable);
  const indent = ' '.repeat(21);
  return [
    `${shown} ${name.padEnd(12)}${first}`,
    ...more.map((line) => indent + line),
    ...(fix === undefined ? [] : [`${indent}fix: ${fix}`]),
  ];
}
