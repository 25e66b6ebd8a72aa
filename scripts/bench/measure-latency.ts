import type { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import type { Device } from './device.js';
import { measureThroughput } from './measure-throughput.js';
import { sumOfOps } from './op-seconds.js';
import { dl20Topics, type Topic } from './pairs.js';
import type { Latency, Work } from './row-measurement.js';
import { NO_WORK, scorePairs, type Counted } from './score-pairs.js';

/** Of the row's time, for the throughput that latencies are compared with. */
const THROUGHPUT_SHARE = 1 / 3;

/** One query and its documents; topics in turn, and new texts in each turn. */
function request(topics: readonly Topic[], documents: number, index: number): TextPair[] {
  const depth = topics[0]!.documents.length;
  const first = index * Math.ceil(documents / depth);
  const { query } = topics[first % topics.length]!;
  return Array.from({ length: documents }, (_, i) => {
    const topic = first + Math.floor(i / depth);
    const turn = Math.floor(topic / topics.length);
    const document = topics[topic % topics.length]!.documents[i % depth]!;
    return { query, document: turn === 0 ? document : `${document} ${turn}` };
  });
}

/** The nearest rank. */
function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

/** Requests one after another, as a search engine that waits for each: text to scores. */
export async function measureLatency(
  model: CrossEncoder,
  documents: number,
  seconds: number,
  device: Device,
): Promise<Work & { latency: Latency }> {
  const topics = await dl20Topics();
  const throughput = await measureThroughput(model, 'dl20-bm25', seconds * THROUGHPUT_SHARE, device);
  const all: Counted = { ...NO_WORK };
  const latencies: number[] = [];
  for (let i = 0; all.seconds < seconds; i++) {
    const work = await scorePairs(model, request(topics, documents, i));
    latencies.push(work.seconds);
    for (const key of ['pairs', 'tokens', 'linearFlops', 'seconds', 'engineSeconds'] as const) all[key] += work[key];
    all.opSeconds = sumOfOps(all.opSeconds, work.opSeconds);
  }
  latencies.sort((a, b) => a - b);
  const p50 = percentile(latencies, 50);
  const latency = {
    requests: latencies.length,
    documents,
    p50,
    p95: percentile(latencies, 95),
    p99: percentile(latencies, 99),
    timesThroughput: p50 / (documents / (throughput.pairs / throughput.seconds)),
  };
  return { ...all, latency };
}
