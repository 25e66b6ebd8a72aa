import type { ConfigSource } from '../config/load-config.js';
import type { Verb } from '../config/read-settings.js';
import type { Shard } from '../config/schema/shard.js';
import { RankDistillmError } from '../errors.js';
import { SettingError } from '../config/setting-error.js';
import { checkShard, parseShard } from '../rerank/shards.js';

export interface ConfigArguments {
  /** Files and overrides in the order of the command line: later wins. */
  sources: ConfigSource[];
  printConfig: boolean;
  /** Where to write a report. */
  report: string | undefined;
  /** The part of each run to score. */
  shard: Shard | undefined;
}

/**
 * Takes `--config FILE`, `--key.path VALUE`, `--key.path=VALUE`, `--key.path+=VALUE` and `--print_config` apart, as
 * jsonargparse does. Commander would lose the order between `--config` and overrides, and that order decides.
 */
export function parseConfigArguments(args: readonly string[], verb: Verb): ConfigArguments {
  const sources: ConfigSource[] = [];
  let printConfig = false;
  let report: string | undefined;
  let shard: Shard | undefined;
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] as string;
    if (argument === '--print_config') {
      printConfig = true;
      continue;
    }
    if (argument.startsWith('--print_config=')) {
      throw new RankDistillmError('bad_input', `${argument}: --print_config takes no value`, {
        hint: 'Write --print_config; it prints every key with its default.',
      });
    }
    const { option, inline } = splitOption(argument);
    const text = inline ?? args[++index];
    // as in argparse; a value that begins so is written --key=--value
    if (text === undefined || (inline === undefined && text.startsWith('--'))) {
      throw new RankDistillmError('bad_input', `${option}: the value is missing`, {
        hint: `Write ${option} VALUE or ${option}=VALUE.`,
      });
    }
    if (option === '--config' || option === '-c') sources.push({ kind: 'file', path: text, verb });
    else if (option === '--report') report = text;
    else if (option === '--shard' && verb === 're_rank') shard = readShard(text);
    else sources.push({ kind: 'override', option, text });
  }
  return { sources, printConfig, report, shard };
}

function readShard(text: string): Shard {
  const shard = parseShard(text);
  if (shard !== undefined) {
    try {
      checkShard(shard);
      return shard;
    } catch (error) {
      throw error instanceof SettingError ? error.worded('--shard') : error;
    }
  }
  throw new RankDistillmError('bad_input', `--shard: expected a part such as 2/8, received "${text}"`, {
    hint: 'Write --shard I/N: part I of N, counted from 1.',
  });
}

function splitOption(argument: string): { option: string; inline: string | undefined } {
  const short = /^-c=?([^=].*)$/s.exec(argument);
  if (short) return { option: '-c', inline: short[1] };
  if (!argument.startsWith('--') && argument !== '-c') {
    throw new RankDistillmError('bad_input', `${argument}: an argument without an option`, {
      hint: 'Configurations go after --config, other values after their key: --config FILE.yaml.',
    });
  }
  const equals = argument.indexOf('=');
  if (equals === -1) return { option: argument, inline: undefined };
  return { option: argument.slice(0, equals), inline: argument.slice(equals + 1) };
}

const VERBS = ['fit', 're_rank', 're-rank'];

/** The configurations named before a verb, put behind it: LightningCLI takes `--config` in both places. */
export function configurationsBehindVerb(argv: readonly string[]): readonly string[] {
  let verb = 0;
  while (/^(?:--config|-c|--print_config$)/.test(argv[verb] ?? '')) {
    verb += argv[verb] === '--config' || argv[verb] === '-c' ? 2 : 1;
  }
  if (verb === 0 || !VERBS.includes(argv[verb] ?? '')) return argv;
  return [argv[verb]!, ...argv.slice(0, verb), ...argv.slice(verb + 1)];
}
