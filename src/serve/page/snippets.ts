/** A request as people write it in a shell, in TypeScript and in Python. */
export function snippets(
  page: string,
  body: object,
  hasKey: boolean,
): Record<'curl' | 'TypeScript' | 'Python', string> {
  const url = new URL('v1/rerank', page).href;
  const json = JSON.stringify(body, null, 2);
  const header = hasKey ? ` \\\n  -H "Authorization: Bearer $RANK_DISTILLM_KEY"` : '';
  const quoted = json.replaceAll("'", `'\\''`);
  const keyLine = '    authorization: `Bearer ${process.env.RANK_DISTILLM_KEY}`,\n';
  return {
    curl: `curl ${url} \\\n  -H 'Content-Type: application/json'${header} \\\n  -d '${quoted}'`,
    TypeScript:
      `const response = await fetch('${url}', {\n  method: 'POST',\n  headers: {\n` +
      `    'content-type': 'application/json',\n${hasKey ? keyLine : ''}  },\n` +
      `  body: JSON.stringify(${indented(json)}),\n});\nconst { results } = await response.json();`,
    Python:
      `import os, requests\n\nresponse = requests.post(\n    "${url}",\n` +
      (hasKey ? `    headers={"Authorization": f"Bearer {os.environ['RANK_DISTILLM_KEY']}"},\n` : '') +
      `    json=${inPython(body)},\n)\nprint(response.json()["results"])`,
  };
}

function indented(text: string): string {
  return text.replaceAll('\n', '\n  ');
}

/** JSON as Python writes it: it differs in three words, none of which can stand in a string unnoticed here. */
function inPython(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(inPython).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([name, inner]) => `${JSON.stringify(name)}: ${inPython(inner)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}
