import { execFileSync } from 'node:child_process';
import { copyFile, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/cli.js';
import { INTO_OUT, RE_RANK, RUN_NAME, writeCollection } from '../support/collections.js';
import { changeFile, inFolder, listing, useOwnCache, writeFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';

const test = suite('results that cannot be mistaken for each other');
useOwnCache(test);

const OUTPUT = `out/${RUN_NAME}`;
const RECORD = `${OUTPUT}.json`;

/** Turns the order of a model's scores round: the head's weights are negated. */
async function negateHead(model: string): Promise<void> {
  const path = join(model, 'model.safetensors');
  const bytes = await readFile(path);
  const header = 8 + Number(bytes.readBigUInt64LE());
  const { 'linear.weight': head } = JSON.parse(bytes.subarray(8, header).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const [start, end] = head!.data_offsets;
  for (let i = header + start + 3; i < header + end; i += 4) bytes[i]! ^= 0x80;
  await writeFile(path, bytes);
}

interface Change {
  what: string;
  message: RegExp;
  /** Makes it in the folder. */
  make?: (folder: string) => Promise<unknown>;
  argv?: string[];
}

const CHANGES: Change[] = [
  {
    what: 'the model has other weights',
    message: /the model was mono-rank, weights \([0-9a-f]{8}\) and is now mono-rank, weights \([0-9a-f]{8}\)/,
    make: (folder) => negateHead(join(folder, 'mono-rank')),
  },
  {
    what: 'another model whose folder has the same name',
    message: /the model was mono-rank, .* and is now other\/mono-rank, weights \(/,
    make: async (folder) => {
      await copyModel(join(folder, 'other/mono-rank'));
      await negateHead(join(folder, 'other/mono-rank'));
    },
    argv: ['--model.model_name_or_path=other/mono-rank'],
  },
  {
    what: 'the model has another tokenizer',
    message: /the model's config\.json or tokenizer was [0-9a-f]{8} and is now/,
    make: (folder) => changeFile(join(folder, 'mono-rank/tokenizer_config.json'), /\}\s*$/, ',"unheard_of": 1}'),
  },
  {
    what: 'the configuration wins over the model',
    message: /query_length was 8 and is now 4/,
    argv: ['--model.config.query_length=4', '--model.config.doc_length=40'],
  },
  {
    what: 'the input run was replaced',
    message: /the input run was .*__bm25__tiny-set\.run \([0-9a-f]{8}\) and is now .*__bm25__tiny-set\.run \(/,
    make: (folder) => changeFile(join(folder, 'data', RUN_NAME), 'd5 6 5 bm25', 'd5 6 4 bm25'),
  },
  { what: 'depth', message: /: depth was -1 and is now 3(;|\n)/, argv: ['--data.inference_datasets.depth=3'] },
  {
    what: 'sample_size',
    message: /: sample_size was -1 and is now 3(;|\n)/,
    argv: ['--data.inference_datasets.sample_size=3'],
  },
  {
    what: 'a limit',
    message: /the set of topics scored was 2 of 2 \(.*\) and is now 1 of 2 \(/,
    argv: ['--trainer.limit_test_batches=1'],
  },
  {
    what: 'a topic has lost its judgements',
    message: /the set of topics scored was 2 of 2 \(.*\) and is now 1 of 1 \(/,
    make: (folder) => writeFiles(folder, { 'data/test.qrels': 'q0 0 d0 3\n' }),
  },
  {
    what: 'a query has another text',
    message: /the text of the queries was .*queries\.tsv \([0-9a-f]{8}\) and is now .*queries\.tsv \(/,
    make: (folder) => changeFile(join(folder, 'data/queries.tsv'), 'q0\t', 'q0\tanother '),
  },
  {
    what: 'a document has another text',
    message: /the collection was .*docs\.tsv \([0-9a-f]{8}\) and is now .*docs\.tsv \(/,
    make: (folder) => changeFile(join(folder, 'data/docs.tsv'), 'd0\t', 'd0\tanother '),
  },
  {
    what: 'precision',
    message: /precision was float32 and is now (bfloat16|int16)/,
    argv: ['--trainer.precision=bf16-mixed'],
  },
  {
    what: 'the run was changed since',
    message: /exists, and is not the run that __bm25__tiny-set\.run\.json describes/,
    make: (folder) => changeFile(join(folder, OUTPUT), 'MonoElectraModel', 'Mine'),
  },
  {
    what: 'nobody says what the run was computed from',
    message: /exists, without a __bm25__tiny-set\.run\.json that records its provenance/,
    make: (folder) => rm(join(folder, RECORD)),
  },
];

for (const { what, message, make, argv = [] } of CHANGES) {
  test(`an existing run is another result: ${what}`, () =>
    inFolder(async (folder) => {
      await writeCollection(folder);
      const first = await run(INTO_OUT, { cwd: folder });
      assert.is(first.code, 0, first.stderr);
      await make?.(folder);
      const before = await listing(folder);
      const refused = await run([...INTO_OUT, ...argv], { cwd: folder });
      assert.is(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, message);
      assert.match(refused.stderr, /^hint: Set overwrite to replace the run, or save_dir or run_name to keep both/m);
      assert.is(refused.stdout, '');
      assert.equal(await listing(folder), before);

      const anew = await run([...INTO_OUT, '--trainer.callbacks.overwrite=true', ...argv], { cwd: folder });
      assert.is(anew.code, 0, anew.stderr);
      assert.match(anew.stderr, /wrote out\//);
      const again = await run([...INTO_OUT, ...argv], { cwd: folder });
      assert.match(again.stderr, /holds this result already and is skipped/);
      assert.is(again.stdout, anew.stdout);
    }));
}

test('what does not change the result is no difference', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const first = await run(INTO_OUT, { cwd: folder });
    await copyModel(join(folder, 'moved/model'));
    await copyFile(join(folder, 'data', RUN_NAME), join(folder, 'data/copied__tiny-set.run'));
    await changeFile(join(folder, 'data/test.qrels'), 'q0 0 d0 3', 'q0 0 d0 1'); // measured again, not scored
    const again = await run(
      [
        ...INTO_OUT,
        '--model.model_name_or_path=moved/model',
        '--data.inference_datasets.run_path_or_id=data/copied__tiny-set.run',
        '--trainer.callbacks.run_name=__bm25__tiny-set.run',
        '--trainer.limit_test_batches=2',
      ],
      { cwd: folder },
    );
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stderr, /is skipped/);
    assert.not.equal(again.stdout, first.stdout);
  }));

test('two models whose folders share their last name have their own runs', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const models = [0, 1].map((version) => `logs/version_${version}/huggingface_checkpoint`);
    for (const model of models) await copyModel(join(folder, model));
    await negateHead(join(folder, models[1]!));
    const tables = [];
    for (const model of models) {
      const { code, stdout, stderr } = await run([...RE_RANK, `--model.model_name_or_path=${model}/`], { cwd: folder });
      assert.is(code, 0, stderr);
      assert.match(stderr, `wrote ${model}/runs/__bm25__tiny-set.run`);
      tables.push(stdout);
    }
    assert.not.equal(tables[0], tables[1]);
  }));

test('the runs of a hub model go by its whole id, and the record names its commit', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const repo = join(folder, 'hub/models--owner--name');
    await copyModel(join(repo, 'snapshots/0123abc'));
    await writeFiles(repo, { 'refs/main': '0123abc', 'refs/v2': '0123abc' });
    const before = process.env['HF_HUB_CACHE'];
    process.env['HF_HUB_CACHE'] = join(folder, 'hub');
    try {
      for (const id of ['owner/name', 'owner/name@v2']) {
        const { code, stderr } = await run([...RE_RANK, `--model.model_name_or_path=${id}`], { cwd: folder });
        assert.is(code, 0, stderr);
        const path = `runs/${id}/__bm25__tiny-set.run`;
        assert.match(stderr, `wrote ${path}`);
        const record = JSON.parse(await readFile(join(folder, `${path}.json`), 'utf8')) as { model: object };
        const { name, revision } = record.model as Record<string, unknown>;
        assert.equal([name, revision], [id, '0123abc']);
      }
    } finally {
      if (before === undefined) delete process.env['HF_HUB_CACHE'];
      else process.env['HF_HUB_CACHE'] = before;
    }
  }));

test('the record says what the run was computed from', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const { stderr } = await run([...INTO_OUT, '--trainer.limit_test_batches=1'], { cwd: folder });
    const record = JSON.parse(await readFile(join(folder, RECORD), 'utf8')) as Record<string, Record<string, unknown>>;
    const { model, input, dataset, topics, run: written } = record;
    assert.match(stderr, /wrote/);
    assert.is(written!['bytes'], (await readFile(join(folder, OUTPUT))).length);
    assert.equal([model!['name'], model!['revision']], ['mono-rank', null]);
    assert.is((model!['settings'] as Record<string, unknown>)['query_length'], 8);
    assert.equal([input!['depth'], input!['sample_size'], input!['sampling_strategy']], [-1, -1, 'top']);
    assert.is(dataset!['id'], 'tiny-set');
    assert.equal([topics!['scored'], topics!['of']], [1, 2]);
    assert.equal(record['limit'], { batches: 1 });
    const onCpu = { device: 'cpu', tf32: false, bfloat16_stream: false };
    assert.equal(record['computed'], { precision: 'float32', arithmetic: 'float32', ...onCpu });
    assert.match(String(record['written']!['by']), /^rank-distillm \d/);
  }));

const NEVER_OVER: [what: string, spoil: (folder: string) => Promise<unknown>, argv: string[], message: RegExp][] = [
  [
    'a file of that name that is no record, even with overwrite',
    (folder) => writeFiles(folder, { [RECORD]: '{"q0": {"d0": 1}}' }),
    ['--trainer.callbacks.overwrite=true'],
    /out\/__bm25__tiny-set\.run\.json: is not the record of a run that rank-distillm wrote/,
  ],
  [
    'half of a record, even with overwrite',
    (folder) => writeFiles(folder, { [RECORD]: '{"format": "rank-distillm run prov' }),
    ['--trainer.callbacks.overwrite=true'],
    /\.run\.json:1: is not JSON: .*\nhint: out\/__bm25__tiny-set\.run would be written beside it: move it away/,
  ],
  [
    'a pipe, which nobody writes to',
    async (folder) => {
      await mkdir(join(folder, 'out'));
      execFileSync('mkfifo', [join(folder, RECORD)]);
    },
    [],
    /\.run\.json: is a pipe or a device/,
  ],
  [
    'an input that is called as the record would be',
    (folder) => writeFiles(folder, { [RECORD]: '{"q0": {"d0": 1}}' }),
    ['--trainer.callbacks.overwrite=true', `--datasets.other.scoreddocs=${RECORD}`],
    /out\/__bm25__tiny-set\.run\.json: would overwrite the input/,
  ],
  [
    'a file of the model',
    async () => undefined,
    [
      '--trainer.callbacks.overwrite=true',
      '--trainer.callbacks.save_dir=mono-rank',
      '--trainer.callbacks.run_name=config.json',
    ],
    /mono-rank\/config\.json: would overwrite the input mono-rank\/config\.json/,
  ],
  [
    'a file that a model is looked for in',
    async () => undefined,
    ['--trainer.callbacks.save_dir=mono-rank', '--trainer.callbacks.run_name=vocab.json'],
    /mono-rank\/vocab\.json: would overwrite the input/,
  ],
  [
    'the configuration',
    async () => undefined,
    [
      '--trainer.callbacks.overwrite=true',
      '--trainer.callbacks.save_dir=.',
      '--trainer.callbacks.run_name=config.yaml',
    ],
    /config\.yaml: would overwrite the input config\.yaml/,
  ],
  [
    'the configuration under another name',
    (folder) => mkdir(join(folder, 'out')).then(() => link(join(folder, 'config.yaml'), join(folder, OUTPUT))),
    ['--trainer.callbacks.overwrite=true'],
    /tiny-set\.run: would overwrite the input config\.yaml/,
  ],
  [
    'a record of a newer release',
    (folder) => writeFiles(folder, { [RECORD]: '{"format": "rank-distillm run provenance", "version": 2}' }),
    [],
    /\.run\.json: has format version 2; this release reads 1/,
  ],
];

for (const [what, spoil, argv, message] of NEVER_OVER) {
  test(`never written over: ${what}`, () =>
    inFolder(async (folder) => {
      await writeCollection(folder);
      await spoil(folder);
      const before = await listing(folder);
      const { code, stderr } = await run([...INTO_OUT, ...argv], { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, message);
      assert.equal(await listing(folder), before);
    }));
}

test.run();
