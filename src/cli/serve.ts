import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { SettingError } from '../config/setting-error.js';
import { ioError, RankDistillmError } from '../errors.js';
import type { LogEntry, ServeOptions } from '../serve/options.js';
import { note, warn, type CliIo } from './cli-io.js';

interface Options {
  model: string[];
  host: string;
  port: number;
  device: string;
  precision: string;
  threads?: number;
  maxLoaded?: number;
  apiKeyFile?: string;
  corsOrigin?: string[];
  allowedHost?: string[];
  maxDocuments?: number;
  maxTokens?: number;
  maxBodyBytes?: number;
  maxWaiting?: number;
  requestTimeout?: number;
  drainTimeout?: number;
  longDocuments?: number;
  log: 'text' | 'json' | 'off';
}

export function addServeCommand(program: Command, io: CliIo): void {
  program
    .command('serve')
    .summary('serve re-rankers over HTTP')
    .description(
      'Serves models over HTTP in the words of Cohere, Jina, Voyage, vLLM and text-embeddings-inference, with a page to ' +
        'try them at /. Ends on Ctrl-C or SIGTERM after the requests in work.',
    )
    .requiredOption(
      '--model <name...>',
      'folder or Hugging Face id, or NAME=FOLDER for the name in requests; repeatable',
    )
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all of this machine', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0: any free one', count(0), 8080)
    .option('--device <name>', 'cpu, cuda, cuda:N, or auto: the first GPU where there is one', 'auto')
    .option('--precision <name>', '32-true, bf16-mixed, bf16-true or int8', '32-true')
    .option('--threads <count>', 'threads of the engine; all cores when left out', count(1))
    .option('--max-loaded <count>', 'models in memory at a time; default 2', count(1))
    .option('--api-key-file <file>', 'keys, one a line; also RANK_DISTILLM_API_KEYS, with commas between')
    .option('--cors-origin <origin...>', 'origins whose pages may call the server; * for all')
    .option('--allowed-host <name...>', 'further host names by which a server on loopback may be called; * for all')
    .option('--max-documents <count>', 'most documents of a request; default 1000', count(1))
    .option('--max-tokens <count>', 'most tokens that are read for a request; default 500000', count(1))
    .option('--max-body-bytes <count>', 'largest body; default 16 MiB', count(1024))
    .option('--max-waiting <count>', 'most requests in work; more are answered with 429; default 256', count(1))
    .option('--request-timeout <seconds>', 'seconds of a request; default 60', count(1))
    .option('--drain-timeout <seconds>', 'seconds for requests in work at the end; default 30', count(0))
    .option(
      '--long-documents <count>',
      'score long documents in up to so many passages; default 0: their start',
      count(0),
    )
    .option('--log <form>', 'text, json or off', oneOf('text', 'json', 'off'), 'text')
    .action(async (options: Options) => {
      try {
        await serveUntilEnded(options, io);
      } catch (error) {
        throw error instanceof SettingError ? error.worded(`--${error.path.join('-').replaceAll('_', '-')}`) : error;
      }
    });
}

function count(least: number): (text: string) => number {
  return (text) => {
    if (/^(0|[1-9]\d{0,11})$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
  };
}

function oneOf(...known: readonly string[]): (text: string) => string {
  return (text) => {
    if (known.includes(text)) return text;
    throw new InvalidArgumentError(`Expected ${known.join(', ')}.`);
  };
}

async function serveUntilEnded({ model, log, apiKeyFile, ...options }: Options, io: CliIo): Promise<void> {
  const { serve } = await import('../serve/serve.js'); // other verbs need no web server
  const given: ServeOptions = {
    models: namedModels(model),
    host: options.host,
    port: options.port,
    device: options.device,
    precision: options.precision,
    threads: options.threads,
    maxLoaded: options.maxLoaded,
    corsOrigins: options.corsOrigin,
    allowedHosts: options.allowedHost,
    maxDocuments: options.maxDocuments,
    maxTokens: options.maxTokens,
    maxBodyBytes: options.maxBodyBytes,
    maxWaiting: options.maxWaiting,
    requestTimeout: options.requestTimeout,
    drainTimeout: options.drainTimeout,
    longDocuments: options.longDocuments,
    apiKeys: await apiKeys(apiKeyFile, io),
    signal: io.signal,
    onWarning: (message) => warn(io, message),
    onLog: (entry) => {
      if (log === 'json') note(io, JSON.stringify({ time: new Date().toISOString(), ...entry }));
      else if (log === 'text') note(io, lineOf(entry));
    },
  };
  const server = await serve(given);
  await server.ended;
}

/** `NAME=FOLDER`, else the id, or the last part of a path. */
function namedModels(given: readonly string[]): Record<string, string> {
  const models = new Map<string, string>();
  for (const one of given) {
    const [, name, path] = /^([\w./:-]+)=(.+)$/.exec(one) ?? [];
    const isFolder = statSync(one, { throwIfNoEntry: false })?.isDirectory() === true;
    const own = name ?? (isFolder ? basename(resolve(one)) : one);
    if (models.has(own)) {
      throw new RankDistillmError('bad_input', `--model ${one}: two models would have the name "${own}"`, {
        hint: `Give one of them a name: --model other=${path ?? one}.`,
      });
    }
    models.set(own, path ?? one);
  }
  return Object.fromEntries(models);
}

async function apiKeys(file: string | undefined, io: CliIo): Promise<string[]> {
  const listed = (io.env['RANK_DISTILLM_API_KEYS'] ?? '').split(',');
  if (file !== undefined) {
    try {
      listed.push(...(await readFile(file, 'utf8')).split('\n'));
    } catch (cause) {
      throw ioError('read', file, cause);
    }
  }
  const keys = listed.map((key) => key.trim()).filter((key) => key !== '');
  if (file !== undefined && keys.length === 0) {
    throw new RankDistillmError('bad_input', `${file}: has no key`, { hint: 'Write one key a line.' });
  }
  return keys;
}

function lineOf({ event, level, ...fields }: LogEntry): string {
  const { id, method, path, status, milliseconds, ...rest } = fields;
  if (event === 'request') return `${status} ${method} ${path} ${milliseconds} ms ${id}`;
  const facts = Object.entries({ ...(id === undefined ? {} : { id }), ...rest }).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [level === 'info' ? event : `${level}: ${event}`, ...facts].join(' ');
}
