import { BERT } from './bert.js';
import { DISTILBERT } from './distilbert.js';
import { ELECTRA } from './electra.js';
import type { Family } from './family.js';
import { ROBERTA, XLM_ROBERTA } from './roberta.js';

/** To add a family, add a file in this folder and an entry here. */
const FAMILIES: readonly Family[] = [ELECTRA, BERT, ROBERTA, XLM_ROBERTA, DISTILBERT];

export const FAMILY_NAMES: readonly string[] = FAMILIES.map(({ name }) => name);

/** The family for a `model_type` or `backbone_model_type` of config.json. */
export function familyOfType(type: string): Family | undefined {
  return FAMILIES.find(({ name }) => name === type);
}

/** The family of a Python class such as `ElectraForSequenceClassification` or `MonoElectraModel`. */
export function familyOfClass(name: string): Family | undefined {
  const bare = name.replace(/^(Flash)?(Mono|CrossEncoder)?/, '');
  return FAMILIES.find(({ className }) => bare.startsWith(className) && /^[A-Z]/.test(bare.slice(className.length)));
}
