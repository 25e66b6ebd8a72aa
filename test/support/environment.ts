/** Variables that decide where names are looked for; a test sets all that it needs. */
const NAMES = [
  ...['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME', 'HOME', 'HF_ENDPOINT', 'HF_TOKEN'],
  ...['HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'RANK_DISTILLM_OFFLINE'],
  ...[
    'HF_HUB_DOWNLOAD_TIMEOUT',
    'IR_DATASETS_HOME',
    'RANK_DISTILLM_DOWNLOADS',
    'RANK_DISTILLM_WHEELS',
    'http_proxy',
    'https_proxy',
    'no_proxy',
  ],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'HF_HUB_DISABLE_IMPLICIT_TOKEN'],
];

/** Does `work` with these variables added to those of the caller; without a caller of its own, all others are unset. */
export async function withVariables<T>(values: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const before = NAMES.map((name) => [name, process.env[name]] as const);
  try {
    if (!isInside) for (const name of NAMES) delete process.env[name];
    Object.assign(process.env, values);
    const outer = isInside;
    isInside = true;
    return await work().finally(() => (isInside = outer));
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

let isInside = false;
