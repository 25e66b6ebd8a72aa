import { shortForms } from './short-form.js';

shortForms('readers').run();
