import type { ReportData } from '../report-data.js';

/** What the page shows, all but the rankings. */
export const data = JSON.parse(document.getElementById('report-data')!.textContent) as ReportData;

export const signed = (value: number, digits = 4): string =>
  `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;
