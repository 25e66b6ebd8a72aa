// Runs a statically linked Linux x86-64 binary on an emulated CPU, such as one with instructions that this one lacks.
// usage: node scripts/emulate/run.mjs --cpu MODEL [--timeout SECONDS] BINARY [ARG...]
// Prints the binary's output and exits with its status: 124 after the timeout, 128 + N if signal N killed it.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readElf } from '../lib/requirements.mjs';
import { giveUp, SetupError } from '../lib/say.mjs';
import { checkPlatform } from '../lib/tools.mjs';
import { ensureBochs } from './emulator.mjs';
import { ensureKernel } from './kernel.mjs';
import { writeMachine } from './machine.mjs';

const USAGE = `usage: node scripts/emulate/run.mjs --cpu MODEL [--timeout SECONDS] BINARY [ARG...]

models, each with the features of those before it:
  corei7_haswell_4770   AVX2, FMA
  corei7_skylake_x      AVX512 F, BW, CD, DQ, VL
  corei7_icelake_u      AVX512_VNNI
  sapphire_rapids       AVX512_BF16, AVX512_FP16, AMX
and all others of Bochs; --timeout defaults to 900`;

const POLL_MS = 50;
const SIGILL = 4;

function readArguments() {
  const own = process.argv.slice(2);
  // Everything after the binary's name is its arguments.
  let end = 0;
  while (own[end]?.startsWith('--')) end += own[end]?.includes('=') ? 1 : 2;
  const options = {
    cpu: { type: /** @type {const} */ ('string') },
    timeout: { type: /** @type {const} */ ('string') },
  };
  try {
    const { values } = parseArgs({ args: own.slice(0, end), options });
    const [binary, ...args] = own.slice(end);
    const timeout = Number(values.timeout ?? 900);
    if (values.cpu && /^\w+$/.test(values.cpu) && binary && timeout > 0)
      return { cpu: values.cpu, timeout, binary, args };
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
  }
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}

/** @param {string} binary */
function checkBinary(binary) {
  let needed;
  try {
    ({ needed } = readElf(binary));
  } catch (error) {
    throw new SetupError(`${binary} is no program for x86-64 Linux: ${/** @type {Error} */ (error).message}`);
  }
  if (needed.length > 0)
    throw new SetupError(`${binary} needs shared libraries; the emulated machine has none`, 'Link it with -static.');
}

/** Copies what is appended to a file to stdout. @param {string} path */
function follow(path) {
  const chunk = Buffer.alloc(1 << 16);
  let position = 0;
  return () => {
    if (!existsSync(path)) return;
    const file = openSync(path, 'r');
    for (let size; (size = readSync(file, chunk, 0, chunk.length, position)) > 0; position += size)
      process.stdout.write(Buffer.from(chunk.subarray(0, size)));
    closeSync(file);
  };
}

const readText = (/** @type {string} */ path) => (existsSync(path) ? readFileSync(path, 'latin1') : '');

/**
 * Runs the machine until the report contains the binary's exit.
 * @param {string} bochs
 * @param {Awaited<ReturnType<typeof writeMachine>>} machine
 * @param {number} timeout seconds
 * @returns {Promise<number>} exit status
 */
function runMachine(bochs, { config, output, report, log }, timeout) {
  return new Promise((resolve, reject) => {
    const passOn = follow(output);
    // Killed with this process, however it ends: a machine with a hanging program would run forever.
    const command = ['--pdeathsig', 'KILL', bochs, '-q', '-f', config];
    const emulator = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    let emulatorOutput = '';
    for (const stream of [emulator.stdout, emulator.stderr]) stream.on('data', (text) => (emulatorOutput += text));
    let status = /** @type {number | undefined} */ (undefined);
    const end = (/** @type {number} */ value) => {
      status ??= value;
      emulator.kill('SIGKILL');
    };
    const checkReport = () => {
      passOn();
      const [, kind, value] = /^(EXIT-STATUS|ENDED-BY-SIGNAL) (\d+)\r?\n/m.exec(readText(report)) ?? [];
      if (kind === undefined || status !== undefined) return;
      passOn();
      if (kind === 'EXIT-STATUS') return end(Number(value));
      const hint = Number(value) === SIGILL ? ': perhaps the CPU model lacks an instruction' : '';
      process.stderr.write(`error: the binary was killed by signal ${value}${hint}\n`);
      end(128 + Number(value));
    };
    const poll = setInterval(checkReport, POLL_MS);
    const timer = setTimeout(() => {
      process.stderr.write(`error: not finished after ${timeout} s\n`);
      end(124);
    }, timeout * 1000);
    emulator.on('error', reject);
    emulator.on('close', () => {
      clearInterval(poll);
      clearTimeout(timer);
      checkReport();
      if (status !== undefined) return resolve(status);
      process.stderr.write(`${emulatorOutput}${readText(log)}${readText(report)}`);
      reject(new SetupError('the emulated machine stopped before the binary ended; its output is above'));
    });
  });
}

try {
  checkPlatform();
  const { cpu, timeout, binary, args } = readArguments();
  checkBinary(binary);
  const bochs = await ensureBochs();
  const kernel = await ensureKernel();
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-emulate-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
  const machine = await writeMachine(folder, { cpu, kernel, binary, args });
  process.exitCode = await runMachine(bochs, machine, timeout);
} catch (error) {
  giveUp(error);
}
