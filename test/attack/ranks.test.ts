import { hasRanks } from '../support/ranks.js';
import { shortForms } from './short-form.js';

if (hasRanks()) shortForms('ranks').run();
