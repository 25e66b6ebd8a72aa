import type { Command } from 'commander';
import { DATASET_PARTS, DatasetRegistry, type RegisteredDataset } from '../data/registry.js';
import { nearestHint } from '../config/nearest.js';
import { docsPage, RankDistillmError, throwIfAborted } from '../errors.js';
import { datasetsFolder, fileState, provideFile, PUBLIC_IDS, type FetchedFile } from '../fetch/datasets.js';
import type { DownloadListener } from '../fetch/downloads.js';
import { installLibtorch, LIBTORCH_VERSION } from '../fetch/libtorch.js';
import { fetchModel } from '../models/resolve-model.js';
import { createProgress, type Progress } from '../report/progress.js';
import { formatTable } from '../report/table.js';
import { note, print, type CliIo } from './cli-io.js';

/** Shows the downloads of a command on stderr. */
export function downloadReport(io: CliIo): DownloadListener {
  const bars = new Map<string, Progress>();
  return {
    signal: io.signal,
    onNote: (message) => note(io, `note: ${message}`),
    onProgress: ({ name, bytes, totalBytes, ended }) => {
      const known = bars.get(name);
      // a file of a few kB is there before a bar could be seen
      if (known === undefined && (ended || totalBytes === undefined || totalBytes < 1e6)) return;
      const bar =
        known ?? createProgress({ label: name, total: megabytes(totalBytes!), unit: 'MB', stream: io.stderr });
      bars.set(name, bar);
      bar.update(megabytes(bytes));
      if (!ended) return;
      bar.stop();
      bars.delete(name);
    },
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}

type Part = (typeof DATASET_PARTS)[number];

export function addDatasetsCommand(program: Command, io: CliIo): void {
  const datasets = program
    .command('datasets')
    .summary('list and download the public datasets')
    .description(
      `Public datasets by id, in the folder that ir_datasets uses too. ${docsPage('downloads')} explains it.`,
    );
  datasets
    .command('list')
    .description('Lists the ids, and the parts of each dataset.')
    .action(() => {
      const rows = PUBLIC_IDS.map((id) => [id, partsOf(get(id)).join(' ')]);
      return print(io, `${formatTable([{ head: 'dataset' }, { head: 'parts' }], rows, { decorated: tty(io) })}\n`);
    });
  datasets
    .command('info <id>')
    .description('Shows where the files of a dataset are, or what would be downloaded.')
    .action(async (id: string) => {
      const dataset = get(id);
      const rows = await Promise.all(
        partsOf(dataset).map(async (part) => {
          const { isPresent, downloads } = await fileState(dataset[part]!);
          const state = isPresent
            ? 'there'
            : downloads.length === 0
              ? 'to be unpacked'
              : downloads.map(sourceOf).join(', ');
          return [part, dataset[part]!, state];
        }),
      );
      const columns = [{ head: 'part' }, { head: 'file' }, { head: 'download' }];
      await print(io, `${formatTable(columns, rows, { decorated: tty(io) })}\n`);
    });
  datasets
    .command('get <id>')
    .description('Downloads the files of a dataset that are not there, and prints their paths.')
    .option('--parts <part...>', `only these of ${DATASET_PARTS.join(', ')}`)
    .action(async (id: string, { parts }: { parts?: string[] }) => {
      const dataset = get(id);
      for (const part of wantedParts(dataset, parts)) {
        throwIfAborted(io.signal);
        await print(io, `${await provideFile(dataset[part]!)}\n`);
      }
    });
  datasets
    .command('path [id]')
    .description('Prints where the files of a dataset are or would be, or the folder of all; downloads nothing.')
    .option('--parts <part...>', `only these of ${DATASET_PARTS.join(', ')}`)
    .action(async (id: string | undefined, { parts }: { parts?: string[] }) => {
      if (id === undefined) return print(io, `${datasetsFolder()}\n`);
      const dataset = get(id);
      await print(
        io,
        wantedParts(dataset, parts)
          .map((part) => `${dataset[part]}\n`)
          .join(''),
      );
    });
}

export function addModelsCommand(program: Command, io: CliIo): void {
  program
    .command('models')
    .summary('download models')
    .description('Models of the Hugging Face hub, in the cache that huggingface_hub uses too.')
    .command('get <id>')
    .description('Downloads the newest commit of a model (owner/name, or owner/name@revision), and prints its folder.')
    .action(async (id: string) => print(io, `${await fetchModel(id)}\n`));
}

export function addInstallLibtorchCommand(program: Command, io: CliIo): void {
  program
    .command('install-libtorch')
    .summary('download LibTorch, which GPUs need')
    .description(
      `Downloads LibTorch ${LIBTORCH_VERSION} into the cache, as wheels of the Python package torch with known checksums, and ` +
        'prints its folder. What was interrupted goes on where it stopped.',
    )
    .option(
      '--cuda',
      'with CUDA and its libraries, for the engine on GPUs (2.5 GB); without, for building the tests of a checkout',
    )
    .action(async ({ cuda }: { cuda?: true }) => print(io, `${await installLibtorch(cuda ? 'cuda' : 'cpu')}\n`));
}

function get(id: string): RegisteredDataset {
  const dataset = new DatasetRegistry().find(id);
  if (dataset !== undefined) return dataset;
  throw new RankDistillmError('not_found', `${id}: no public dataset has this id`, {
    hint: nearestHint(id, PUBLIC_IDS, 'id', '`rank-distillm datasets list`'),
  });
}

function partsOf(dataset: RegisteredDataset): Part[] {
  return DATASET_PARTS.filter((part) => dataset[part] !== undefined);
}

function wantedParts(dataset: RegisteredDataset, named: readonly string[] | undefined): Part[] {
  const there = partsOf(dataset);
  const other = named?.find((part) => !there.includes(part as Part));
  if (other !== undefined) {
    throw new RankDistillmError('bad_input', `dataset ${dataset.id} has no part ${other}`, {
      hint: `Its parts: ${there.join(', ')}.`,
    });
  }
  return there.filter((part) => named === undefined || named.includes(part));
}

function sourceOf({ urls, size }: FetchedFile): string {
  return `${urls[0]}${size === undefined ? '' : ` (${Math.max(0.1, megabytes(size))} MB)`}`;
}

function tty(io: CliIo): boolean {
  return io.stdout.isTTY === true;
}
