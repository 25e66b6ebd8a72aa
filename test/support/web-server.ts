import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A file at a path. */
interface WebFile {
  body: Buffer;
  headers?: Record<string, string>;
  /** Where it really is; HEAD and GET are sent there. */
  redirect?: string;
}

/** What goes wrong with an answer. */
export type Fault =
  /** The connection is cut after so many bytes of the body. */
  | { kind: 'cut'; after: number }
  /** The body stops after so many bytes, the connection stays. */
  | { kind: 'stall'; after: number }
  /** The body comes in pieces of so many bytes, one every few milliseconds. */
  | { kind: 'slow'; piece: number }
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** Another content of the same length. */
  | { kind: 'changed' }
  | { kind: 'no length' }
  /** The range is ignored, as by servers that do not know it. */
  | { kind: 'no range' }
  /** The range is answered with 416. */
  | { kind: 'range refused' }
  /** More bytes than announced. */
  | { kind: 'endless' };

interface WebRequest {
  method: string;
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

export interface WebServer extends AsyncDisposable {
  url: string;
  /** Files by path; may be changed. */
  files: Map<string, WebFile>;
  requests: WebRequest[];
  /** Gives the next `times` answers to GET requests for a path the fault. */
  fault(path: string, fault: Fault, times?: number): void;
  /** Answers that need more than a file; it returns false to leave a request to `files`. */
  answer: (request: IncomingMessage, response: ServerResponse, path: string) => boolean;
}

/** A server on loopback that gives files, also in ranges, and faults where it is told to. */
export async function webServer(): Promise<WebServer> {
  const faults: { path: string; fault: Fault; times: number }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://x').pathname);
    const { method = 'GET', headers } = request;
    self.requests.push({ method, path, range: headers.range, authorization: headers.authorization });
    const waiting = method === 'GET' ? faults.find((one) => one.path === path && one.times > 0) : undefined;
    if (waiting) waiting.times -= 1;
    if (waiting?.fault.kind === 'status') {
      response.writeHead(waiting.fault.status, waiting.fault.headers).end('refused');
      return;
    }
    if (self.answer(request, response, path)) return;
    const file = self.files.get(path);
    if (file === undefined) response.writeHead(404).end('no such file');
    else give(request, response, file, waiting?.fault);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: WebServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: new Map(),
    requests: [],
    fault: (path, fault, times = 1) => faults.push({ path, fault, times }),
    answer: () => false,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}

function give(request: IncomingMessage, response: ServerResponse, file: WebFile, fault?: Fault): void {
  if (file.redirect !== undefined) {
    response.writeHead(302, { ...file.headers, location: file.redirect, 'content-length': '0' }).end();
    return;
  }
  const from = fault?.kind === 'no range' ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from > 0 && (fault?.kind === 'range refused' || from >= file.body.length)) {
    response.writeHead(416, { 'content-range': `bytes */${file.body.length}`, 'content-length': '0' }).end();
    return;
  }
  const body = fault?.kind === 'changed' ? Buffer.alloc(file.body.length, 'x') : file.body;
  const rest = body.subarray(from);
  const headers: Record<string, string> = { 'accept-ranges': 'bytes', ...file.headers };
  if (fault?.kind !== 'no length') headers['content-length'] = String(rest.length);
  if (from > 0) headers['content-range'] = `bytes ${from}-${body.length - 1}/${body.length}`;
  if (fault?.kind === 'endless') delete headers['content-length'];
  response.writeHead(from > 0 ? 206 : 200, headers);
  if (request.method === 'HEAD') response.end();
  else if (fault?.kind === 'cut') {
    response.write(rest.subarray(0, fault.after), () => response.socket?.destroySoon());
  } else if (fault?.kind === 'stall') response.write(rest.subarray(0, fault.after));
  else if (fault?.kind === 'slow') slowly(response, rest, fault.piece);
  else if (fault?.kind === 'endless') {
    response.write(rest);
    const more = (): boolean => response.destroyed || response.write(Buffer.alloc(65536), more);
    more();
  } else response.end(rest);
}

function slowly(response: ServerResponse, rest: Buffer, piece: number): void {
  if (response.destroyed) return;
  if (rest.length <= piece) response.end(rest);
  else response.write(rest.subarray(0, piece), () => setTimeout(slowly, 4, response, rest.subarray(piece), piece));
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
export const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');

/** The hash that Git gives a file, which is the hub's ETag of small files. */
export const gitHash = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

export interface HubRepository {
  type?: 'model' | 'dataset';
  id: string;
  /** 40 digits. */
  commit: string;
  /** Other names of the commit. Default: main. */
  revisions?: string[];
  files: Readonly<Record<string, Buffer>>;
  /** Files in LFS, which another server gives. */
  large?: { names: readonly string[]; server: WebServer };
}

/** Puts a repository on a server as huggingface.co gives it: the list of files, ETags, and redirects of large files. */
export function addRepository(server: WebServer, repository: HubRepository): void {
  const { type = 'model', id, commit, revisions = ['main'], files, large } = repository;
  const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
  const info = Buffer.from(
    JSON.stringify({ _id: '0', id, modelId: id, sha: commit, private: false, siblings, tags: [] }),
  );
  const json = { 'content-type': 'application/json' };
  const prefix = type === 'dataset' ? 'datasets/' : '';
  if (revisions.includes('main')) server.files.set(`/api/${type}s/${id}`, { body: info, headers: json });
  const tree = Object.entries(files).map(([path, body]) => {
    const lfs = large?.names.includes(path) ? { lfs: { oid: sha256(body), size: body.length, pointerSize: 134 } } : {};
    return { type: 'file', oid: gitHash(body), size: body.length, path, ...lfs };
  });
  for (const revision of [commit, ...revisions]) {
    server.files.set(`/api/${type}s/${id}/tree/${revision}`, {
      body: Buffer.from(JSON.stringify(tree)),
      headers: json,
    });
    server.files.set(`/api/${type}s/${id}/revision/${revision}`, { body: info, headers: json });
    for (const [name, body] of Object.entries(files)) {
      const path = `/${prefix}${id}/resolve/${revision}/${name}`;
      if (large?.names.includes(name)) {
        const hash = sha256(body);
        large.server.files.set(`/cdn/${hash}`, { body, headers: { etag: '"of-the-cdn"' } });
        server.files.set(path, {
          body,
          redirect: `${large.server.url}/cdn/${hash}`,
          headers: {
            'x-repo-commit': commit,
            'x-linked-etag': `"${hash}"`,
            'x-linked-size': String(body.length),
            etag: `"${gitHash(body)}"`,
          },
        });
      } else {
        server.files.set(path, { body, headers: { 'x-repo-commit': commit, etag: `"${gitHash(body)}"` } });
      }
    }
  }
}
