/** A thread's program: each request is answered after as many rounds of a hash, which no `terminate` interrupts. */
import { pbkdf2Sync } from 'node:crypto';
import { answerRequests } from '../../src/io/request-thread.js';

answerRequests((rounds: number) => {
  if (rounds > 0) pbkdf2Sync('password', 'salt', rounds, 64, 'sha512');
  return rounds;
});
