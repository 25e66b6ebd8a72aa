import { createHash } from 'node:crypto';
import { LIBTORCH_VERSION } from '../../lib/root.mjs';

/** lightning-ir 0.0.6 needs transformers 4; the extra is named so that pip does not look for another release with it. */
export const PYTHON_PACKAGES = [
  'transformers[torch]==4.57.6',
  'sentence-transformers==5.7.0',
  'onnxruntime==1.32.0',
  'onnx==1.23.2',
  'lightning-ir==0.0.6',
  'safetensors==0.8.0',
];
/** The release that ours runs on. */
export const TORCH = LIBTORCH_VERSION;

export const NPM_PACKAGES = ['onnxruntime-node@1.30.0', '@huggingface/transformers@4.3.1'];

/** Names what is installed: other versions get another folder. */
export const VERSIONS_KEY = createHash('sha256')
  .update(JSON.stringify([TORCH, PYTHON_PACKAGES, NPM_PACKAGES]))
  .digest('hex')
  .slice(0, 12);
