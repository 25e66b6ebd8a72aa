import { shortForms } from './short-form.js';

shortForms('folders').run();
