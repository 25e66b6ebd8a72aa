import { z } from 'zod';
import { allIgnored, classSpec, inWords, key, slot } from './fields.js';
import { outputFolder } from './paths.js';

/** Arguments that Lightning's two loggers which write files share. */
const folder = {
  save_dir: outputFolder('Folder; null: trainer.default_root_dir.', 'fit'),
  name: key(z.string().nullable().default('lightning_logs'), 'Folder below it; null or empty: none.', 'fit'),
  version: key(
    z
      .union([z.int().min(0), z.string().min(1)])
      .nullable()
      .default(null),
    'N of the folder version_N below that, or its name; null: the next that is free.',
    'fit',
  ),
  prefix: key(z.string().default(''), 'Put before each logged name, with a dash.', 'fit'),
};

const tensorBoardLogger = classSpec('TensorBoardLogger', 'Writes event files for TensorBoard.', {
  ...folder,
  sub_dir: key(
    z.string().min(1).nullable().default(null),
    'Folder below the version for event files, configuration and model.',
    'fit',
  ),
  ...allIgnored({
    log_graph: false,
    default_hp_metric: true,
    comment: '',
    purge_step: null,
    max_queue: 10,
    flush_secs: 120,
    filename_suffix: '',
  }),
});

const csvLogger = classSpec('CSVLogger', 'Writes metrics.csv.', {
  ...folder,
  ...allIgnored({ flush_logs_every_n_steps: 100 }),
});

const one = slot([tensorBoardLogger, csvLogger]);

/** `trainer.logger` */
export const loggers = inWords(
  z.union([z.boolean(), one, z.array(one)]),
  'true, false, a class (TensorBoardLogger, CSVLogger) or a list of them',
);
