import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

// scripts/docs/site.mjs lays out the pages that this reads; links to files that are not pages lead to the repository.
const pages = fileURLToPath(new URL('../../build/site/pages', import.meta.url));
const repository = 'https://github.com/rank-distillm/rank-distillm';

/** The title of a page is its first heading. */
const titleOf = (page) =>
  /^# (.+)$/m.exec(readFileSync(`${pages}/${page}.md`, 'utf8'))?.[1].replaceAll('`', '') ?? page;
const entry = (page) => ({ text: titleOf(page), link: `/${page}` });
const guide = ['api', 'cli', 'data', 'models', 'downloads', 'training', 'losses'].map((page) => `docs/${page}`);
const background = readdirSync(`${pages}/docs`, { withFileTypes: true })
  .filter((file) => file.isFile() && file.name.endsWith('.md'))
  .map(({ name }) => `docs/${name.replace(/\.md$/, '')}`)
  .filter((page) => !guide.includes(page));
const notes = readdirSync(`${pages}/docs/notes`).map((file) => entry(`docs/notes/${file.replace(/\.md$/, '')}`));

export default defineConfig({
  title: 'rank-distillm',
  description: 'Re-rank search results with cross-encoders in Node.js, and train them.',
  srcDir: '../build/site/pages',
  outDir: '../build/site/html',
  cacheDir: '../build/site/cache',
  base: process.env.SITE_BASE ?? '/',
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: true,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  // tables of options need the room
  transformPageData({ relativePath, frontmatter }) {
    if (relativePath.startsWith('reference/')) frontmatter.aside = false;
  },
  markdown: {
    config(markdown) {
      // a placeholder such as <id> is text, not an element of Vue's
      for (const rule of ['html_inline', 'html_block']) {
        const html = markdown.renderer.rules[rule];
        markdown.renderer.rules[rule] = (tokens, index, ...rest) =>
          /^\s*<(!--|\/?(picture|source|img|br|a)\b)/.test(tokens[index].content)
            ? html(tokens, index, ...rest).replace(/ (src|srcset)="(?=[\w-]+\/)/g, ' $1="./')
            : markdown.utils.escapeHtml(tokens[index].content);
      }
      const fence = markdown.renderer.rules.fence;
      markdown.renderer.rules.fence = (tokens, index, options, env, self) =>
        tokens[index].info === 'mermaid'
          ? `<p><a href="${repository}/blob/main/${env.relativePath}">The diagram, which GitHub draws</a></p>`
          : fence(tokens, index, options, env, self);
    },
  },
  themeConfig: {
    search: {
      provider: 'local',
      // what explains comes before what lists
      options: { miniSearch: { searchOptions: { boostDocument: (id) => (id.includes('/reference/') ? 0.2 : 1) } } },
    },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/' },
      { text: 'API', link: '/docs/api' },
      { text: 'Reference', link: '/reference/' },
    ],
    sidebar: [
      { text: 'Guide', items: [{ text: 'Start', link: '/' }, entry('examples/README'), ...guide.map(entry)] },
      { text: 'Background', items: background.map(entry) },
      { text: 'Notes', collapsed: true, items: notes },
      {
        text: 'Reference',
        collapsed: true,
        items: JSON.parse(readFileSync(`${pages}/reference/typedoc-sidebar.json`, 'utf8')),
      },
      { text: 'Project', items: ['CONTRIBUTING', 'SECURITY', 'CHANGELOG'].map(entry) },
    ],
    socialLinks: [{ icon: 'github', link: repository }],
    footer: { message: 'Apache-2.0' },
  },
});
