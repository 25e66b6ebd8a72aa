import type { Command } from 'commander';
import { SettingError } from '../config/setting-error.js';
import { mergeRuns, type MergedRun } from '../rerank/merge-runs.js';
import { note, warn, type CliIo } from './cli-io.js';

interface MergeOptions {
  output?: string;
  overwrite?: boolean;
}

export function addMergeCommand(program: Command, io: CliIo): void {
  program
    .command('merge')
    .summary('join the shards that re_rank --shard wrote')
    .description(
      'Joins the shards of re-ranked runs to the runs that re_rank without --shard writes, with their records. It checks ' +
        'that no shard is missing, twice, changed, or of another result. Shards of several runs may be named at once.',
    )
    .argument('<shard...>', 'runs of the shards: dev.shard-*-of-08.run')
    .option('--output <file>', 'the whole run; when left out, dev.run beside the first shard')
    .option('--overwrite', 'replace an existing run')
    .action((shards: string[], options: MergeOptions) => mergeShards(shards, options, io));
}

async function mergeShards(shards: string[], { output, overwrite = false }: MergeOptions, io: CliIo): Promise<void> {
  try {
    await mergeRuns({
      shards,
      output,
      overwrite,
      command: io.command,
      signal: io.signal,
      onWarning: (message) => warn(io, message),
      onRun: (run) => note(io, noteOf(run)),
    });
  } catch (error) {
    throw error instanceof SettingError ? error.worded('merge') : error;
  }
}

function noteOf({ outputPath, existed, topics, shards }: MergedRun): string {
  if (existed) return `${outputPath} holds this result already and is skipped`;
  return `wrote ${outputPath}: ${topics} topics of ${shards} shards`;
}
