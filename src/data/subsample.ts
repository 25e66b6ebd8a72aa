import { join } from 'node:path';
import { badArgument, RankDistillmError, throwIfAborted } from '../errors.js';
import { writeAtomically } from '../io/atomic-write.js';
import { makeFolder } from '../io/make-folder.js';
import { isThere } from '../io/output-file.js';
import { RandomStream } from '../random/random-stream.js';
import { runStem } from './dataset-id.js';
import { RunFile } from './run-file.js';
import { writeRunTopics } from './write-run.js';

export interface SubsampleOptions {
  /** Folder of the new runs; created if missing. */
  saveDir: string;
  /** Numbers of topics. Default: all topics. */
  queries?: readonly number[];
  /** Documents are kept down to these ranks. Default: all documents. */
  depths?: readonly number[];
  /** Run whose ranks the depths count. Default: the run's own. */
  firstStage?: string;
  /** Of the choice of topics. Default 42. */
  seed?: number;
  signal?: AbortSignal;
}

/** A part of a run, written with a configuration that trains on it. */
export interface SubsampledRun {
  /** `<name>.depth-50.sampled-1000.run` */
  path: string;
  /** Overlay for `fit`: `fit --config finetune.yaml --config <this>`. */
  config: string;
  topics: number;
  documents: number;
}

/**
 * Writes parts of a training run for curves over its size, as in the paper: so many topics, and only documents that the
 * first stage has above a depth. Every smaller choice of topics is part of the larger ones. Documents keep the run's
 * order and scores.
 *
 * @throws RankDistillmError `bad_input`
 */
export async function subsampleRun(path: string, options: SubsampleOptions): Promise<SubsampledRun[]> {
  const { saveDir, queries = [], depths = [], firstStage, seed = 42, signal } = options;
  for (const [name, counts] of Object.entries({ queries, depths })) {
    const wrong = counts.find((count) => !Number.isSafeInteger(count) || count < 1);
    if (wrong !== undefined) throw badArgument(`options.${name}`, 'whole numbers of at least 1', wrong);
  }
  await using run = await RunFile.open(path);
  await using first = firstStage === undefined ? undefined : await RunFile.open(firstStage);
  const order = (await run.places()).map(({ queryId }) => queryId);
  const tooMany = queries.find((count) => count > order.length);
  if (tooMany !== undefined) {
    throw new RankDistillmError('bad_input', `${path}: has ${order.length} topics, ${tooMany} cannot be chosen`, {
      hint: 'Ask for fewer queries.',
    });
  }
  const inFirst = new Set((await first?.places())?.map(({ queryId }) => queryId));
  const absent = first && order.find((queryId) => !inFirst.has(queryId));
  if (absent !== undefined) {
    throw new RankDistillmError('bad_input', `${firstStage}: has no topic '${absent}', which ${path} has`, {
      hint: 'Name the run that was re-ranked.',
    });
  }

  const shuffled = new RandomStream({ seed, purpose: 'subsample', epoch: 0 }).shuffle(order);
  const parts = (queries.length === 0 ? [undefined] : queries).flatMap((count) =>
    (depths.length === 0 ? [undefined] : depths).map((depth) => {
      const marks = [
        ...(depth === undefined ? [] : [`depth-${depth}`]),
        ...(count === undefined ? [] : [`sampled-${count}`]),
      ];
      const name = [runStem(path), ...marks].join('.');
      return { name, depth, count, path: join(saveDir, `${name}.run`), config: join(saveDir, `${name}.yaml`) };
    }),
  );
  if (parts.length === 1 && parts[0]!.depth === undefined && parts[0]!.count === undefined) {
    throw new RankDistillmError('bad_input', 'nothing is left out: neither queries nor depths are given', {
      hint: 'Give numbers of queries, depths or both.',
    });
  }
  await makeFolder(saveDir);
  const outputs = parts.flatMap((part) => [part.path, part.config]);
  for (const output of outputs) {
    if (await isThere(output)) {
      throw new RankDistillmError('bad_input', `${output}: exists already`, {
        hint: 'Move it away, or choose another folder.',
      });
    }
  }

  const written: SubsampledRun[] = [];
  for (const part of parts) {
    const chosen = new Set(part.count === undefined ? order : shuffled.slice(0, part.count));
    let documents = 0;
    await writeRunTopics(part.path, { tag: 'subsample' }, async (writeTopic) => {
      for (const queryId of order) {
        if (!chosen.has(queryId)) continue;
        throwIfAborted(signal);
        const { entries } = await run.topic(queryId);
        const ranked = first ? (await first.topic(queryId)).entries : entries;
        const kept = new Set(ranked.filter(({ rank }) => rank <= (part.depth ?? Infinity)).map(({ docId }) => docId));
        const left = entries.filter(({ docId }) => kept.has(docId));
        if (left.length === 0) continue;
        documents += left.length;
        await writeTopic(queryId, left);
      }
    });
    await writeAtomically(part.config, (write) => write(overlay(part.path, part.name)));
    written.push({ path: part.path, config: part.config, topics: chosen.size, documents });
  }
  return written;
}

function overlay(run: string, name: string): string {
  return [
    '# rank-distillm fit --config finetune.yaml --config <this file>',
    'trainer:',
    `  default_root_dir: ${JSON.stringify(join('curves', name))}`,
    'data:',
    '  init_args:',
    '    train_dataset:',
    '      init_args:',
    `        run_path_or_id: ${JSON.stringify(run)}`,
    '',
  ].join('\n');
}
