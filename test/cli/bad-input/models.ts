import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyModel } from '../../support/models.js';
import { RE_RANK, type BadInput } from './cases.js';

const FIXTURES = fileURLToPath(new URL('../../models/golden/', import.meta.url));

/** Copies the good model to `model`, then spoils it. */
const spoilModel = (spoil: (model: string) => Promise<unknown>, reference?: string) => async (folder: string) => {
  await copyModel(join(folder, 'model'), reference);
  await spoil(join(folder, 'model'));
};
const editJson = (name: string, edit: (json: Record<string, unknown>) => void) => async (model: string) => {
  const json = JSON.parse(await readFile(join(model, name), 'utf8')) as Record<string, unknown>;
  edit(json);
  await writeFile(join(model, name), JSON.stringify(json));
};

interface TensorHeader {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Changes the header of model.safetensors and leaves the bytes of the tensors alone. */
const editHeader = (edit: (header: Record<string, TensorHeader>) => void) => async (model: string) => {
  const path = join(model, 'model.safetensors');
  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, TensorHeader>;
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
};
const hostileWeights = (fixture: string) => async (model: string) => {
  await rm(join(model, 'pytorch_model.bin'));
  await writeFile(join(model, 'pytorch_model.bin'), await readFile(join(FIXTURES, fixture)));
};

const SPOILT: BadInput[] = [
  {
    what: 'a model that does not exist',
    code: 'not_found',
    message: /^\.\/model: no such model folder/,
    argv: [...RE_RANK, '--model.model_name_or_path', './model'],
  },
  {
    what: 'a Hugging Face id that is not in the cache',
    code: 'not_found',
    message: /^somebody\/some-model: neither a folder nor in the Hugging Face cache/,
    argv: [...RE_RANK, '--model.model_name_or_path', 'somebody/some-model'],
  },
  {
    what: 'a model that is a file',
    code: 'bad_input',
    message: /^config\.yaml: is a file, not a model folder/,
    argv: [...RE_RANK, '--model.model_name_or_path', 'config.yaml'],
  },
  {
    what: 'a model without config.json',
    code: 'not_found',
    message: /model\/config\.json: no such file/,
    spoil: spoilModel((model) => rm(join(model, 'config.json'))),
  },
  {
    what: 'a config.json that is no JSON',
    code: 'bad_input',
    message: /model\/config\.json/,
    spoil: spoilModel((model) => writeFile(join(model, 'config.json'), '{"model_type": ')),
  },
  {
    what: 'a model of a family that is not built',
    code: 'unsupported',
    message: /t5/i,
    spoil: spoilModel(
      editJson('config.json', (json) =>
        Object.assign(json, {
          model_type: 't5',
          backbone_model_type: 't5',
          architectures: ['T5ForConditionalGeneration'],
        }),
      ),
    ),
  },
  {
    what: 'a number of heads that does not divide',
    code: 'bad_input',
    message: /config\.json.*num_attention_heads/,
    spoil: spoilModel(editJson('config.json', (json) => (json['num_attention_heads'] = 5))),
  },
  {
    what: 'a model without weights',
    code: 'not_found',
    message: /model: has neither model\.safetensors nor pytorch_model\.bin/,
    spoil: spoilModel((model) => rm(join(model, 'model.safetensors'))),
  },
  {
    what: 'truncated safetensors',
    code: 'bad_input',
    message: /model\.safetensors/,
    spoil: spoilModel((model) => truncate(join(model, 'model.safetensors'), 40_000)),
  },
  {
    what: 'safetensors of four bytes',
    code: 'bad_input',
    message: /model\.safetensors/,
    spoil: spoilModel((model) => truncate(join(model, 'model.safetensors'), 4)),
  },
  {
    what: 'a header longer than the file',
    code: 'bad_input',
    message: /model\.safetensors.*header/,
    spoil: spoilModel(async (model) =>
      writeFile(join(model, 'model.safetensors'), Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 0x7b, 0x7d])),
    ),
  },
  {
    what: 'tensors that overlap',
    code: 'bad_input',
    message: /model\.safetensors/,
    spoil: spoilModel(
      editHeader((header) =>
        Object.values(header).forEach(
          (tensor) =>
            tensor.data_offsets && (tensor.data_offsets = [0, tensor.data_offsets[1] - tensor.data_offsets[0]]),
        ),
      ),
    ),
  },
  {
    what: 'a wrong shape',
    code: 'bad_input',
    message: /linear\.weight.*\[32, 1\].*\[1, 32\]|linear\.weight.*\[1, 32\].*\[32, 1\]/,
    spoil: spoilModel(editHeader((header) => (header['linear.weight']!.shape = [32, 1]))),
  },
  {
    what: 'a missing tensor',
    code: 'bad_input',
    message: /encoder\.layer\.0\.output\.dense\.weight/,
    spoil: spoilModel(
      editHeader((header) => {
        const name = Object.keys(header).find((key) => key.endsWith('encoder.layer.0.output.dense.weight'))!;
        header['somewhere.else'] = header[name]!;
        delete header[name];
      }),
    ),
  },
  {
    what: 'a malicious pickle',
    code: 'bad_input',
    message: /pytorch_model\.bin.*Python global "__builtin__\.eval"/,
    spoil: spoilModel(hostileWeights('evil-zip.bin'), 'zip-bin'),
  },
  {
    what: 'a malicious pickle of the old format',
    code: 'bad_input',
    message: /pytorch_model\.bin.*Python global "posix\.system"/,
    spoil: spoilModel(hostileWeights('evil-legacy.bin'), 'legacy-bin'),
  },
  {
    what: 'a zip bomb',
    code: 'bad_input',
    message: /pytorch_model\.bin.*compressed/,
    spoil: spoilModel(hostileWeights('bomb.bin'), 'zip-bin'),
  },
  {
    what: 'a shard that is missing',
    code: 'not_found',
    message: /model-00002-of-00003\.safetensors/,
    spoil: spoilModel((model) => rm(join(model, 'model-00002-of-00003.safetensors')), 'sharded-safetensors'),
  },
  {
    what: 'a model without tokenizer',
    code: 'not_found',
    message: /model.*tokenizer\.json|tokenizer\.json.*model/,
    spoil: spoilModel((model) => rm(join(model, 'tokenizer.json'))),
  },
  {
    what: 'a tokenizer.json that is no JSON',
    code: 'bad_input',
    message: /model\/tokenizer\.json/,
    spoil: spoilModel((model) => writeFile(join(model, 'tokenizer.json'), 'hello')),
  },
];

export const MODELS: BadInput[] = SPOILT.map((bad) => ({
  ...bad,
  argv: bad.argv ?? [...RE_RANK, '--model.model_name_or_path', 'model'],
}));
