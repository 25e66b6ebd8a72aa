import type { z } from 'zod';
import type { data } from './data.js';
import type { RuleBroken } from './fields.js';
import type { model } from './model.js';

/** 2^target has to stay a finite float64, and so do sums of a few thousand of them. */
const MOST_GAIN = 1000;
const DATASET = ['data', 'init_args', 'train_dataset', 'init_args'];

interface FitConfig {
  data: z.output<typeof data> | null;
  model: z.output<typeof model> | null;
  optimizer: object | null;
}

/** Keys that have no default because re_rank does without them. */
export function* fitNeeds({ data: given, model: named, optimizer }: FitConfig): Iterable<RuleBroken> {
  if (!named?.init_args.model_name_or_path) yield MODEL_NEEDED;
  if (optimizer === null) {
    const hint = 'Add "optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1.0e-5}}".';
    yield { path: ['optimizer'], what: 'none is named', hint };
  }
  if ((named?.init_args.loss_functions ?? []).length === 0) {
    const path = ['model', 'init_args', 'loss_functions'];
    yield { path, what: 'no loss is named', hint: 'Add at least one, for example "loss_functions: [RankNet]".' };
  }
  if (!given?.init_args.train_dataset) {
    const hint = 'Add a RunDataset; configs/examples/fit-first-stage.yaml is a configuration to start from.';
    yield { path: DATASET.slice(0, -1), what: 'there is nothing to learn from', hint };
  }
  if (given?.init_args.train_batch_size == null) {
    const hint = 'Set the number of topics of a training batch, for example train_batch_size: 32.';
    yield { path: ['data', 'init_args', 'train_batch_size'], what: 'is missing', hint };
  }
}

/** The same for re_rank, and what it could not do. */
export function* reRankRules(config: FitConfig & { ckpt_path: string | null }): Iterable<RuleBroken> {
  if (!config.model?.init_args.model_name_or_path) yield MODEL_NEEDED;
  for (const [i, dataset] of (config.data?.init_args.inference_datasets ?? []).entries()) {
    if (dataset.class_path !== 'TupleDataset') continue;
    const path = ['data', 'init_args', 'inference_datasets', i];
    const hint = 'List a RunDataset; fit takes a TupleDataset to train on or to validate the loss.';
    yield { path, what: 'tuples are not a run to re-rank', hint, code: 'unsupported' };
  }
  if (config.ckpt_path !== null) {
    const isCkpt = config.ckpt_path.endsWith('.ckpt');
    const what = isCkpt ? "Lightning's .ckpt files are not read" : 're_rank reads model folders, not checkpoints';
    yield { path: ['ckpt_path'], what, hint: checkpointHint(config.ckpt_path), code: 'unsupported' };
  }
}

/** A checkpoint of fit is a model folder, which is what re_rank reads. */
function checkpointHint(path: string): string {
  if (path.endsWith('.ckpt')) {
    return 'Save the model with save_pretrained and name its folder in model_name_or_path.';
  }
  const folder = path === 'last' ? 'FOLDER, the folder of the checkpoint,' : path;
  return `A checkpoint of fit is a model folder: set --model.model_name_or_path ${folder} and leave ckpt_path out.`;
}

const MODEL_NEEDED: RuleBroken = {
  path: ['model', 'init_args', 'model_name_or_path'],
  what: 'no model is named',
  hint: 'Add --model.model_name_or_path MODEL, a folder or a Hugging Face id.',
};

/** Targets that no sample could have, or from which a loss could learn nothing. */
export function* targetRules(config: FitConfig): Iterable<RuleBroken> {
  const dataset = config.data?.init_args.train_dataset;
  if (dataset?.class_path !== 'RunDataset') return;
  const { targets, depth, normalize_targets: normalized, sample_size: size } = dataset.init_args;
  const path = [...DATASET, 'targets'];
  if (targets === null) {
    const hint = 'Set targets: relevance (grades of the qrels), rank or score (of the run).';
    yield { path, what: 'is not set, so there is nothing to learn', hint };
  }
  if (targets === 'subtopic_relevance') {
    const hint = 'targets: relevance takes the greatest grade over all subtopics (iterations).';
    yield { path, what: 'subtopic_relevance is not supported', hint, code: 'unsupported' };
  }
  if (targets === 'rank' && dataset.init_args.add_docs_not_in_ranking) {
    const what = 'added documents have no rank, which targets: rank would learn';
    const hint = 'Set add_docs_not_in_ranking: false, or targets: relevance.';
    yield { path: [...DATASET, 'add_docs_not_in_ranking'], what, hint };
  }
  if (size === 1) {
    const what = 'a sample of one document has nothing to compare it with';
    yield { path: [...DATASET, 'sample_size'], what, hint: 'Set sample_size to at least 2.' };
  }
  if (targets !== 'rank' || normalized) return;
  const losses = (config.model?.init_args.loss_functions ?? []).map((loss) => (Array.isArray(loss) ? loss[0] : loss));
  const positiveOnly = losses.find(({ class_path: name }) => name === 'ApproxNDCG' || name === 'ApproxMRR');
  if (depth === -1 && positiveOnly) {
    const what = `rank without a depth gives targets below 0, which ${positiveOnly.class_path} takes as 0`;
    yield { path, what, hint: 'Set depth, so that targets are depth - rank + 1, or normalize_targets: true.' };
  }
  const gains = losses.some(
    ({ class_path: name, init_args }) => name === 'ApproxNDCG' && 'scale_gains' in init_args && init_args.scale_gains,
  );
  if (depth > MOST_GAIN && gains) {
    const what = `ApproxNDCG's gains 2^target - 1 overflow with targets up to depth ${depth}`;
    yield { path, what, hint: 'Set normalize_targets: true, or scale_gains: false.' };
  }
}
