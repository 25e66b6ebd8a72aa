import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/cli.js';
import { withVariables } from '../support/environment.js';
import { REFERENCES } from '../support/models.js';
import { paperWorld } from '../support/paper-world.js';
import { runOf } from '../support/public-data.js';
import { sharedPath } from '../support/shared.js';

/**
 * The seed's three configurations with ids where they have paths, on a machine that has nothing: models of a hub,
 * datasets and runs of their publishers, all stand-ins of the true names and layouts on a server on loopback.
 */
const test = suite('the seed by name');

const [rerank, preFinetune, finetune] = ['re-rank', 'pre-finetune', 'finetune'].map((name) =>
  sharedPath(`seed/configs/${name}.yaml`),
);
const backbone = sharedPath('golden/tiny-electra-backbone');

const RUNS = Object.fromEntries(
  ['colbert', 'bm25'].flatMap((stage) =>
    ([2019, 2020] as const).map((year): [string, string] => [
      `__${stage}__msmarco-passage-trec-dl-${year}-judged.run`,
      runOf(`trec-dl-${year}`, stage),
    ]),
  ),
);

if (rerank && preFinetune && finetune && backbone) {
  test('re_rank, both stages of fit and evaluate from an empty home; again offline without a request', async () => {
    const models = {
      'webis/monoelectra-base': join(REFERENCES, 'mono-electra'),
      'google/electra-base-discriminator': backbone,
    };
    await using world = await paperWorld({ models, runs: RUNS });
    const { home, variables, requests } = world;
    const runs = Object.keys(RUNS);
    const command = async (argv: string[], offline = false): Promise<string> => {
      const more: Record<string, string> = offline ? { RANK_DISTILLM_OFFLINE: '1' } : {};
      const result = await withVariables({ ...variables, ...more }, () => run(argv, { cwd: home }));
      assert.is(result.code, 0, result.stderr);
      return `${result.stderr}\n${result.stdout}`;
    };
    const order = ['colbert', 'bm25'].flatMap((stage) =>
      [2019, 2020].map((year) => runs.find((name) => name.includes(stage) && name.includes(String(year)))!),
    );
    const inputs = order.flatMap((name, i) => [
      `--data.inference_datasets.${i}.run_path_or_id`,
      `zenodo:15131907/${name}`,
    ]);
    const reRank = (out: string): string[] => [
      ...['re_rank', '--config', rerank, '--model.model_name_or_path', 'webis/monoelectra-base', ...inputs],
      ...['--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.save_dir', out],
    ];
    const fit = (config: string, model: string[], out: string): string[] => [
      ...['fit', '--config', config, ...model, '--trainer.max_steps', '2', '--trainer.default_root_dir', out],
      ...['--data.train_batch_size', '2', '--trainer.logger', 'false'],
    ];
    const first = await command(reRank('reranked'));
    assert.match(first, /note: MS MARCO is for non-commercial research only/);
    assert.equal(
      readdirSync(join(home, 'reranked'))
        .filter((name) => name.endsWith('.run'))
        .sort(),
      runs.slice().sort(),
    );
    const asked = requests();
    const needless = /train|README|dev|eval|top1000|beir|v2/;
    assert.equal(
      asked.filter((path) => needless.test(path)),
      [],
      'nothing that re-ranking does not need',
    );

    await command(fit(preFinetune, [], 'first'));
    const checkpoint = join(home, 'first/checkpoints');
    const model = join(checkpoint, readdirSync(checkpoint)[0]!);
    const folder = existsSync(join(model, 'config.json')) ? model : join(model, 'huggingface_checkpoint');
    await command(fit(finetune, ['--model.model_name_or_path', folder], 'second'));
    const later = requests();
    assert.equal(
      later.filter((path) => path.includes('collectionandqueries')),
      [],
      'the passages are there',
    );
    assert.equal(later.filter((path) => path.endsWith('.parquet')).length, 2);

    const qrels = (
      await command(['datasets', 'path', 'msmarco-passage/trec-dl-2019/judged', '--parts', 'qrels'])
    ).trim();
    const evaluated = ['evaluate', '--qrels', qrels, '--run', `reranked/${runs[0]}`];
    const measured = await command(evaluated);
    assert.match(measured, /nDCG@10/);

    requests();
    const again = await command(reRank('again'), true);
    assert.not.match(again, /MS MARCO is for/);
    for (const name of runs) {
      const [one, two] = ['reranked', 'again'].map((out) => readFileSync(join(home, out, name), 'utf8'));
      assert.is(two, one);
    }
    const published = ['--run', `zenodo:15131907/${runs[0]}`, `reranked/${runs[0]}`, '--report', 'report.html'];
    await command(['compare', '--qrels', qrels, ...published], true);
    const page = readFileSync(join(home, 'report.html'), 'utf8');
    assert.match(page, /<title>Rankings of msmarco-passage\/trec-dl-2019\/judged<\/title>/);
    assert.ok(page.includes(`"path":"zenodo:15131907/${runs[0]}"`));
    await command(fit(preFinetune, [], 'first-again'), true);
    await command(fit(finetune, ['--model.model_name_or_path', folder], 'second-again'), true);
    assert.is(await command(evaluated, true), measured);
    assert.equal(requests(), []);
  });
}

test.run();
