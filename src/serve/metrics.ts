import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** What Prometheus is told at /metrics. */
export class Metrics {
  readonly registry = new Registry();
  readonly requests = new Counter({
    name: 'rank_distillm_requests_total',
    help: 'Requests answered, by route, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers: [this.registry],
  });
  readonly latency = new Histogram({
    name: 'rank_distillm_request_seconds',
    help: 'Seconds from the head of a request to its answer.',
    labelNames: ['route'],
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly waiting = new Gauge({
    name: 'rank_distillm_requests_in_work',
    help: 'Requests to score that are in work or wait for the engine.',
    registers: [this.registry],
  });
  readonly refused = new Counter({
    name: 'rank_distillm_requests_refused_total',
    help: 'Requests answered with 429 because too many were in work.',
    registers: [this.registry],
  });
  readonly documents = new Histogram({
    name: 'rank_distillm_request_documents',
    help: 'Documents or pairs of a request.',
    labelNames: ['model'],
    buckets: SIZES,
    registers: [this.registry],
  });
  readonly tokens = new Counter({
    name: 'rank_distillm_tokens_total',
    help: 'Tokens that models have read.',
    labelNames: ['model'],
    registers: [this.registry],
  });
  readonly truncated = new Counter({
    name: 'rank_distillm_truncated_documents_total',
    help: 'Documents or pairs whose end was not read.',
    labelNames: ['model'],
    registers: [this.registry],
  });
  readonly loaded = new Gauge({
    name: 'rank_distillm_models_loaded',
    help: 'Models in memory.',
    registers: [this.registry],
  });
  readonly loadSeconds = new Gauge({
    name: 'rank_distillm_model_load_seconds',
    help: 'Seconds that the last load of a model took.',
    labelNames: ['model'],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }
}
