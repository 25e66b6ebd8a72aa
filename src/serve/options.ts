import { z } from 'zod';
import type { OptionsOf, SettingsOf } from '../config/read-settings.js';
import { key } from '../config/schema/fields.js';
import { given, modelKeys, passed } from '../engine/engine-options.js';

const { signal, on_warning, ...engineKeys } = modelKeys;

/** What a server does, as `rank-distillm serve` and `serve()` take it. */
export const serveOptions = z.strictObject({
  ...engineKeys,
  models: given<Readonly<Record<string, string>>>(
    'an object',
    'Folder or Hugging Face id of each model, by the name that requests use. The first is the default.',
  ),
  host: key(z.string().default('127.0.0.1'), 'Address to listen on; 0.0.0.0 or :: for all of this machine.'),
  port: key(z.int().min(0).max(65_535).default(8080), 'Port to listen on; 0: any free one.'),
  max_loaded: key(
    z.int().min(1).default(2),
    'Models in memory at a time; the one that was used least recently makes room.',
  ),
  api_keys: key(
    z.array(z.string().min(1)).default([]),
    'Keys of which a request must name one, as bearer token or x-api-key. When empty, no key is asked for.',
  ),
  cors_origins: key(
    z.array(z.string()).default([]),
    'Origins whose pages may call the server from a browser; * for all.',
  ),
  allowed_hosts: key(
    z.array(z.string()).default([]),
    'Host names by which the server may be called, besides its address; * for all. Names of this machine alone count while it listens on a loopback address.',
  ),
  max_documents: key(z.int().min(1).default(1000), 'Most documents or pairs of a request.'),
  max_tokens: key(z.int().min(1).default(500_000), 'Most tokens that the model reads for a request.'),
  max_body_bytes: key(
    z
      .int()
      .min(1024)
      .default(16 * 2 ** 20),
    'Largest body of a request.',
  ),
  max_waiting: key(
    z.int().min(1).default(256),
    'Most requests in work and waiting; one more is answered with 429 and Retry-After.',
  ),
  request_timeout: key(
    z.number().positive().max(86_400).default(60),
    'Seconds after which a request is given up (504). A request may ask for less with x-request-timeout.',
  ),
  drain_timeout: key(
    z.number().min(0).max(86_400).default(30),
    'Seconds that requests in work may take after the server was told to end.',
  ),
  long_documents: key(
    z.int().min(0).max(10_000).default(0),
    'Passages that a long document is scored in where the request does not say; 0: its end is not read.',
  ),
  on_log: passed<(entry: LogEntry) => void>('a function', 'Receives an entry for each request and event.'),
  on_warning,
  signal,
});

export type ServeOptions = OptionsOf<typeof serveOptions>;
export type ServeSettings = SettingsOf<typeof serveOptions>;

/** A line of the log. */
export interface LogEntry {
  level: 'info' | 'warn' | 'error';
  event: string;
  [field: string]: unknown;
}
