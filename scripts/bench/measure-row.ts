// A row's own process: takes a RowTask as JSON, prints a RowMeasurement as JSON. Started by row-process.ts.
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { engineOptions } from './device.js';
import { measureLatency } from './measure-latency.js';
import { measureThroughput } from './measure-throughput.js';
import { measureTraining } from './measure-training.js';
import { peakGpuMiB, peakRssMiB, watchAnonymous } from './memory-use.js';
import { TRUNCATION } from './pairs.js';
import type { RowMeasurement, RowTask } from './row-measurement.js';
import { timeOps } from './time-ops.js';

async function measureScoring(task: RowTask, documents: number | undefined): Promise<RowMeasurement> {
  const memory = watchAnonymous();
  const start = performance.now();
  const secondsSoFar = (): number => (performance.now() - start) / 1000;
  const { folder, device, precision, threads, seconds } = task;
  await using model = await CrossEncoder.load(folder, {
    ...engineOptions(device, precision),
    threads,
    config: TRUNCATION,
    onWarning: () => undefined,
  });
  const loadSeconds = secondsSoFar();
  await model.score([{ query: 'what is a run', document: 'a run is a list of documents' }]);
  const firstSeconds = secondsSoFar();
  const work =
    documents === undefined
      ? await measureThroughput(model, task.workload, seconds, device)
      : await measureLatency(model, documents, seconds, device);
  // before another model is loaded, which is not the row's
  const peaks = {
    peakRssMiB: peakRssMiB(),
    peakAnonymousMiB: memory.stop(),
    peakGpuMiB: peakGpuMiB(device),
  };
  const timed = device === 'cuda' && documents === undefined ? { opSeconds: await timeOps(task) } : {};
  return {
    computed: model.precision,
    ...work,
    ...timed,
    loadSeconds,
    firstSeconds,
    ...peaks,
  };
}

const task = JSON.parse(process.argv[2]!) as RowTask;
const training = /^train-(\d+)x(\d+)$/.exec(task.workload);
const query = /^query-(\d+)$/.exec(task.workload);
const measurement = training
  ? await measureTraining(task, Number(training[1]), Number(training[2]))
  : await measureScoring(task, query ? Number(query[1]) : undefined);
console.log(JSON.stringify(measurement));
