import { execFileSync } from 'node:child_process';
import { rankVariables } from '../../src/ranks/environment.js';

const HOSTS = [
  { name: 'host-a', own: '10.77.1.2', router: '10.77.1.1' },
  { name: 'host-b', own: '10.77.2.2', router: '10.77.2.1' },
] as const;
const DEVICE = 'eth0';

/**
 * Two hosts in network namespaces of their own, with names and addresses, and a router between them that can stop to
 * forward: packets are then lost without a sign, as with a cable cut far away. Needs root.
 */
export class TwoHosts implements Disposable {
  readonly #router: string;
  readonly #names: readonly string[];

  constructor() {
    const name = `rank-distillm-${process.pid}`;
    this.#router = `${name}-router`;
    this.#names = HOSTS.map((_, host) => `${name}-${host}`);
    try {
      for (const each of [this.#router, ...this.#names]) ip('netns', 'add', each);
      HOSTS.forEach(({ own, router }, host) => {
        const space = this.#names[host]!;
        const peer = `to-${host}`;
        ip('-n', space, 'link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', peer, 'netns', this.#router);
        ip('-n', space, 'address', 'add', `${own}/24`, 'dev', DEVICE);
        ip('-n', this.#router, 'address', 'add', `${router}/24`, 'dev', peer);
        for (const device of ['lo', DEVICE]) ip('-n', space, 'link', 'set', device, 'up');
        ip('-n', this.#router, 'link', 'set', peer, 'up');
        ip('-n', space, 'route', 'add', 'default', 'via', router);
      });
      this.mend();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  static hostName(host: number): string {
    return HOSTS[host]!.name;
  }

  /** Runs `program` on a host: what to put before it. */
  command(host: number, program: readonly string[]): string[] {
    const named = `hostname ${HOSTS[host]!.name} && exec "$@"`;
    return ['ip', 'netns', 'exec', this.#names[host]!, 'unshare', '--uts', 'sh', '-c', named, 'sh', ...program];
  }

  /** Variables of ranks, one on each host. */
  variables(rank: number, ranks: number, port: number): Record<string, string> {
    return rankVariables({ rank, ranks, localRank: 0, localRanks: 1, host: HOSTS[0].own, port });
  }

  /** Lets each host send so many bits a second, by a token bucket. */
  limit(bits: number): void {
    const rate = ['rate', `${Math.round(bits)}bit`, 'burst', '1mb', 'latency', '50ms'];
    for (const space of this.#names)
      ip('netns', 'exec', space, 'tc', 'qdisc', 'replace', 'dev', DEVICE, 'root', 'tbf', ...rate);
  }

  cut(): void {
    this.#forward(0);
  }

  mend(): void {
    this.#forward(1);
  }

  [Symbol.dispose](): void {
    for (const name of [this.#router, ...this.#names]) {
      try {
        ip('netns', 'delete', name);
      } catch {
        // was not made
      }
    }
  }

  #forward(value: 0 | 1): void {
    ip('netns', 'exec', this.#router, 'sysctl', '-q', '-w', `net.ipv4.ip_forward=${value}`);
  }
}

function ip(...argv: string[]): void {
  execFileSync('ip', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
}
