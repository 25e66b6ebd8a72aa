import { basename, resolve } from 'node:path';
import type { ReadDataset } from '../compare/read-dataset.js';
import { readQrels } from '../data/formats/qrels.js';
import { readRun } from '../data/run-file.js';
import { report, type ReportOptions } from '../report-page/report.js';
import { readProvenance } from '../rerank/provenance.js';
import { note, type CliIo } from './cli-io.js';
import { indexingNotes } from './shared-settings.js';

/** Writes the report page of runs, of a fit's log, or of both, and says where it lies. */
export async function reportTo(output: string, options: Omit<ReportOptions, 'output'>, io: CliIo): Promise<void> {
  const { command, signal } = io;
  await report({ ...options, output, command, signal, indexing: { onProgress: indexingNotes(io) } });
  note(io, `wrote the report ${output}; open it in a browser`);
}

/** A re-ranked run beside the first stage's, as its record describes them; undefined without judgements. */
export async function rerankedDataset(name: string, outputPath: string): Promise<ReadDataset | undefined> {
  const record = await readProvenance(outputPath);
  if (!record) return undefined;
  const { input, dataset, model } = record;
  const first = (await readRun(input.path)).filter(({ rank }) => input.depth === -1 || rank <= input.depth);
  const reRanked = await readRun(outputPath);
  const inRun = first.flatMap(({ queryId, docId, relevance, iteration = '0' }) =>
    relevance === undefined ? [] : [{ queryId, docId, relevance, iteration }],
  );
  const judgements = inRun.length > 0 || dataset.qrels === null ? inRun : await readQrels(dataset.qrels);
  const scored = new Set(reRanked.map(({ queryId }) => queryId));
  const qrels = judgements.filter(({ queryId }) => scored.has(queryId));
  if (qrels.length === 0) return undefined;
  const systems = [
    'first stage',
    basename(resolve(model.folder)) === model.revision ? model.name : basename(model.name),
  ];
  return {
    name,
    qrels,
    runs: new Map([
      [systems[0]!, first],
      [systems[1]!, reRanked],
    ]),
    files: new Map([
      [systems[0]!, input.path],
      [systems[1]!, outputPath],
    ]),
    qrelsFile: inRun.length > 0 ? input.path : dataset.qrels!,
  };
}
