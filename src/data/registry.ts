import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { distance } from 'fastest-levenshtein';
import { badArgument, RankDistillmError } from '../errors.js';
import { isUnrepaired, publicDataset, PUBLIC_IDS } from '../fetch/datasets.js';
import { canonicalId, dashed, hasMisreadUtf8, slashed } from './dataset-id.js';

/** Parts of a dataset: file paths, or ids of registered datasets to take the same part from. */
export interface DatasetParts {
  /** Collection: TSV or JSON lines. */
  docs?: string;
  queries?: string;
  qrels?: string;
  docpairs?: string;
  /** Run that a RunDataset reads when it is given the dataset id. */
  scoreddocs?: string;
}

export type DatasetPart = keyof DatasetParts;

/** A dataset with the paths of its parts. */
export interface RegisteredDataset extends DatasetParts {
  id: string;
  /** Repair the texts of `docs`, see `repairUtf8`. */
  repairsDocs?: true;
}

export const DATASET_PARTS = ['docs', 'queries', 'qrels', 'docpairs', 'scoreddocs'] as const satisfies DatasetPart[];

/**
 * Maps dataset ids to files. Filled by `datasets:` in a config and by lightning-ir's RegisterLocalDatasetCallback; ids
 * that are not registered may be those of public datasets, whose files are downloaded when they are first read.
 */
export class DatasetRegistry {
  readonly #datasets = new Map<string, RegisteredDataset>();

  /** Registers an id. Registering it again with other parts is an error. Files are not opened. */
  register(id: string, parts: DatasetParts): void {
    if (typeof id !== 'string') throw badArgument('id', 'a string', id);
    if (typeof parts !== 'object' || parts === null) throw badArgument('parts', 'an object', parts);
    if (id.trim() === '') {
      throw new RankDistillmError('bad_input', 'a dataset id must not be empty', {
        hint: 'Name the dataset, for example my-set/test.',
      });
    }
    const dataset: RegisteredDataset = { id: slashed(id) };
    for (const [key, value] of Object.entries(parts) as [string, unknown][]) {
      if (!DATASET_PARTS.includes(key as DatasetPart)) {
        throw new RankDistillmError('bad_input', `dataset ${id}: unknown key '${key}'`, {
          hint: `Known keys: ${DATASET_PARTS.join(', ')}.`,
        });
      }
      if (value === undefined || value === null) continue;
      if (typeof value !== 'string' || value === '') {
        throw new RankDistillmError('bad_input', `dataset ${id}: ${key} must be a path or a dataset id`, {
          hint: 'Write it as text.',
        });
      }
      dataset[key as DatasetPart] = value;
    }
    const before = this.#datasets.get(canonicalId(id));
    if (before !== undefined && DATASET_PARTS.some((part) => before[part] !== dataset[part])) {
      throw new RankDistillmError('bad_input', `dataset ${id} is registered twice with different files`, {
        hint: 'Keep one registration, or give one of them another id.',
      });
    }
    this.#datasets.set(canonicalId(id), dataset);
  }

  /** Ids in registration order. */
  ids(): string[] {
    return [...this.#datasets.values()].map((dataset) => dataset.id);
  }

  /** Finds a dataset by its id, written with slashes or dashes, and resolves its parts to paths. */
  find(id: string): RegisteredDataset | undefined {
    const wanted = canonicalId(id);
    const dataset =
      this.#datasets.get(wanted) ??
      [...this.#datasets.values()].find((known) => dashed(canonicalId(known.id)) === dashed(wanted)) ??
      publicDatasetOf(wanted);
    if (dataset === undefined) return undefined;
    const resolved: RegisteredDataset = { id: dataset.id };
    for (const part of DATASET_PARTS) {
      const origin = this.#origin(dataset, part, []);
      if (origin === undefined) continue;
      resolved[part] = origin[part]!;
      // the public file is repaired when it is unpacked, as by ir_datasets
      const isRaw = this.#datasets.has(canonicalId(origin.id)) || isUnrepaired(origin[part]!);
      if (part === 'docs' && isRaw && hasMisreadUtf8(origin.id)) resolved.repairsDocs = true;
    }
    return resolved;
  }

  /** Every file of the registered datasets. */
  files(): string[] {
    return this.ids().flatMap((id) => {
      const dataset = this.find(id);
      return DATASET_PARTS.flatMap((part) => dataset?.[part] ?? []);
    });
  }

  /** As `find`, but throws for an unknown id. `askedBy` says where the id comes from. */
  get(id: string, askedBy: string): RegisteredDataset {
    const dataset = this.find(id);
    if (dataset === undefined) throw this.unknownId(id, askedBy);
    return dataset;
  }

  /** The error for an unregistered id: lists the known ids and says how to register one. */
  unknownId(id: string, askedBy: string): RankDistillmError {
    const ids = this.ids();
    const nearest = [...ids, ...PUBLIC_IDS].find((known) => distance(dashed(known), dashed(id)) <= 2 + id.length / 10);
    const known = ids.length === 0 ? 'No dataset is registered' : `Known: ${ids.join(', ')}`;
    const guess = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    return new RankDistillmError('not_found', `${askedBy}: no dataset is registered as '${id}'`, {
      hint:
        `${known}.${guess} \`rank-distillm datasets list\` shows the public ones. Register it in the config under \`datasets:\`, as \`${slashed(id)}: { docs: …, queries: …, qrels: … }\`, ` +
        'or with the callback RegisterLocalDatasetCallback, or name another id with `dataset:` on RunDataset.',
    });
  }

  /** The dataset that is registered with the path of a part. */
  #origin(dataset: RegisteredDataset, part: DatasetPart, trail: string[]): RegisteredDataset | undefined {
    const value = dataset[part];
    if (value === undefined) return undefined;
    const other = this.#datasets.get(canonicalId(value)) ?? (isPath(value) ? undefined : publicDatasetOf(value));
    if (other === undefined) return dataset;
    if (other.id === dataset.id || trail.includes(other.id)) {
      throw new RankDistillmError(
        'bad_input',
        `dataset ${dataset.id}: ${part} refers to itself in a circle (${[...trail, dataset.id, other.id].join(' → ')})`,
        {
          hint: 'Give one of them a path.',
        },
      );
    }
    const origin = this.#origin(other, part, [...trail, dataset.id]);
    if (origin === undefined) {
      throw new RankDistillmError(
        'bad_input',
        `dataset ${dataset.id}: ${part} is taken from ${other.id}, which has none`,
        {
          hint: `Register ${part} for ${other.id}.`,
        },
      );
    }
    return origin;
  }
}

/** A public dataset by its id, also with dashes. */
function publicDatasetOf(id: string): RegisteredDataset | undefined {
  const wanted = canonicalId(id);
  const known = PUBLIC_IDS.find((one) => one === wanted) ?? PUBLIC_IDS.find((one) => dashed(one) === dashed(wanted));
  return known === undefined ? undefined : { ...publicDataset(known), id: known };
}

/** A file or folder of the name of a dataset wins. */
function isPath(value: string): boolean {
  return isAbsolute(value) || existsSync(value);
}
