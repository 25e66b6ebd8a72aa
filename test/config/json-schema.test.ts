import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { SCHEMA, schemaText } from '../../scripts/generate-settings.js';
import { sharedPath } from '../support/shared.js';

const test = suite('JSON Schema of configurations');

const CONFIGS = fileURLToPath(new URL('../../configs/', import.meta.url));
const OURS = (readdirSync(CONFIGS, { recursive: true }) as string[])
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => join(CONFIGS, name));

const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schemaText()) as object);

/** The places that an editor would underline. */
function problems(yaml: string): string[] {
  validate(parse(yaml));
  return (validate.errors ?? []).map(({ instancePath }) => instancePath);
}

test('configs/schema.json is made from the declarations', () => {
  assert.ok(readFileSync(SCHEMA, 'utf8') === schemaText(), 'run `node --import tsx scripts/generate-settings.ts`');
});

for (const path of OURS) {
  test(`${path.slice(CONFIGS.length)} names the schema and fits it`, () => {
    const text = readFileSync(path, 'utf8');
    const [, named = ''] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
    assert.is(resolve(dirname(path), named), SCHEMA);
    assert.equal(problems(text), []);
  });
}

for (const name of ['pre-finetune', 'finetune', 're-rank']) {
  test(`the paper's ${name}.yaml fits it`, () => {
    const path = sharedPath(`seed/configs/${name}.yaml`);
    if (path === undefined) return;
    assert.equal(problems(readFileSync(path, 'utf8')), []);
  });
}

const ACCEPTED: [what: string, yaml: string][] = [
  ['a class by its name', 'optimizer: AdamW'],
  ['a class with its module', 'model: {class_path: lightning_ir.CrossEncoderModule, init_args: {label: 1}}'],
  ['an alias', 'trainer: {callbacks: [{class_path: lightning_ir.callbacks.RankCallback}]}'],
  ['arguments of the only class', 'model: {model_name_or_path: x, config: {query_length: 8}}'],
  ['losses with weights', 'model: {loss_functions: [[RankNet, 0.5], [{class_path: ApproxNDCG}, 1], InfoNCE]}'],
  ['a loss in a file', 'model: {loss_functions: ["./my-loss.ts:MyLoss"]}'],
  ['a list of one without brackets', 'model: {loss_functions: RankNet}'],
  ['an appended item', 'trainer: {callbacks+: LearningRateMonitor}'],
  ['null', 'trainer: {limit_val_batches: null, logger: false}\nweights_only: null'],
  [
    'numbers as PyYAML reads them',
    'trainer: {max_steps: 100_000}\noptimizer: {class_path: AdamW, init_args: {lr: "1e-5"}}',
  ],
  ['a block for each verb', 'fit: {trainer: {max_steps: 5}}'],
];

for (const [what, yaml] of ACCEPTED) test(`${what} fits`, () => assert.equal(problems(yaml), []));

const REFUSED: [what: string, yaml: string, path: string][] = [
  ['a misspelt key', 'trainer: {max_step: 5}', '/trainer'],
  ['a misspelt argument', 'model: {class_path: CrossEncoderModule, init_args: {lable: 1}}', '/model/init_args'],
  ['a misspelt section', 'trainr: {}', ''],
  ['a misspelt key of a verb', 'fit: {trainer: {max_step: 5}}', '/fit/trainer'],
  ['an unknown class', 'model: {loss_functions: [RankNett]}', '/model/loss_functions/0'],
  ['a wrong type', 'trainer: {max_steps: many}', '/trainer/max_steps'],
  ['a number out of range', 'trainer: {accumulate_grad_batches: 0}', '/trainer/accumulate_grad_batches'],
];

for (const [what, yaml, path] of REFUSED) {
  test(`${what} does not fit`, () => assert.ok(problems(yaml).includes(path), problems(yaml).join(' ')));
}

test.run();
