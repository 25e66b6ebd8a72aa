import { DEVICES, type Device } from './device.js';
import { RANDOM_MODELS } from './random-model.js';
import { PRECISIONS, QUICK, WORKLOADS } from './rows.js';

const perDevice = (show: (device: Device) => string): string =>
  DEVICES.map((device) => `${device}: ${show(device)}`).join('\n            ');
const quick = perDevice((device) =>
  QUICK[device].map(({ workload, model, precision }) => [workload, model, precision].join(' ').trim()).join(', '),
);

export const USAGE = `usage: npm run bench -- [options]

Speed of the engine beside the matrix rate (GEMM) that the same machine reaches in the same run. Each row runs in a process
of its own, with random weights (speed does not depend on them; the folders are made once, under build/bench).

  --device NAME    ${DEVICES.join(' or ')}; default cpu. On cuda the first GPU, and the rate of at::linear there
  --only WORDS     the rows, of all, that have each of these words in "workload model precision"
  --full           all rows; without --only and --full a quick set, within five minutes on two slow cores
  --seconds N      time to measure a row for, default 10, on cuda 5; a row takes as many pairs as fit, judged by a short
                   probe (on cuda: as many as it gets through), and at least one request or training step
  --threads N      default: what the engine takes by itself
  --json           one object instead of tables: { machine, results: [{ workload, model, precision, ... }] }

workloads   ${Object.entries(WORKLOADS)
  .map(([name, { what }]) => `${name.padEnd(11)} ${what}`)
  .join('\n            ')}
models      ${Object.keys(RANDOM_MODELS).join(', ')}
precisions  ${perDevice((device) => PRECISIONS[device].join(', '))}
            one that this machine cannot run natively is left out, and said so
quick set   ${quick}
            in each precision where none is named

GFLOP/s     multiplications and additions of the linear layers that were really executed, a second; in training three
            times the forward's; TFLOP/s on cuda
GEMM peak   the best that our kernel, oneDNN with packed weights and at::linear reach on the model's matrices; measured
            before and after a row, the run's best counts
of peak     the one over the other
engine busy share of the time in which the engine computed and did not wait for tokens
x dl20      the median latency over the time that as many pairs of dl20-bm25 take at full throughput

Other benches:
  npm run bench -- peers --help    other libraries on the same pairs, in turn with ours
  npm run bench -- ranking --help  what each precision costs in nDCG@10
  npm run bench -- train --help    training with sizes of your choice, and a peer beside it
  npx tsx scripts/bench/{event-loop,memory,tokenize}.ts`;
