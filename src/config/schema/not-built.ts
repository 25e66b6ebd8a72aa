/**
 * Names of lightning-ir, Lightning and torch that a configuration may hold and that this package deliberately does
 * not build, with the reason. They get a refusal that says so instead of a guess at the nearest known name.
 */
const REASONS: readonly (readonly [reason: string, names: readonly string[]])[] = [
  [
    'bi-encoders are not part of this package, it re-ranks with cross-encoders',
    [
      'BiEncoderModule',
      'BiEncoderConfig',
      'SingleVectorBiEncoderConfig',
      'MultiVectorBiEncoderConfig',
      'ColConfig',
      'DprConfig',
      'SpladeConfig',
      'CoilConfig',
      'MvrConfig',
      'UniCoilConfig',
      'ContrastiveLocalLoss',
      'InBatchCrossEntropy',
      'ScoreBasedInBatchCrossEntropy',
      'ScoreBasedInBatchLossFunction',
      'FLOPSRegularization',
      'L1Regularization',
      'L2Regularization',
    ],
  ],
  ['set-encoders are not part of this package', ['SetEncoderConfig', 'SetEncoderModule', 'NeuralNDCG', 'NeuralMRR']],
  [
    'indexing and searching are not part of this package',
    ['IndexCallback', 'SearchCallback', 'QueryDataset', 'DocDataset'],
  ],
  [
    'logs are not sent to services; TensorBoardLogger and CSVLogger write files',
    ['WandbLogger', 'LightningIRWandbLogger', 'CometLogger', 'MLFlowLogger', 'NeptuneLogger', 'LitLogger'],
  ],
  [
    'AdamW is the one optimizer of this package',
    ['Adam', 'SGD', 'Adagrad', 'Adadelta', 'Adamax', 'NAdam', 'RAdam', 'RMSprop', 'Adafactor', 'LBFGS', 'SparseAdam'],
  ],
  [
    "lightning-ir's schedules with warm-up and torch's LinearLR, ConstantLR and CosineAnnealingLR are built",
    [
      'LambdaLR',
      'MultiplicativeLR',
      'StepLR',
      'MultiStepLR',
      'PolynomialLR',
      'ExponentialLR',
      'CyclicLR',
      'OneCycleLR',
      'CosineAnnealingWarmRestarts',
      'ReduceLROnPlateau',
      'ChainedScheduler',
      'SequentialLR',
    ],
  ],
];

/** Why a class is not built, or undefined when the name is unknown. */
export function whyNotBuilt(name: string): string | undefined {
  return REASONS.find(([, names]) => names.includes(name))?.[0];
}
