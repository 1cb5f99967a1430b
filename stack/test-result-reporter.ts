import { writeFile } from 'node:fs/promises';
import { JsonReporter } from 'vitest/node';
import { RESULT_FILE_VARIABLE } from './test-counts.ts';

/** vitest's JSON report, written without a word: nothing may stand between the summary and the closing line. */
export default class TestResultReporter extends JsonReporter {
  override async writeReport(report: string): Promise<void> {
    const file = process.env[RESULT_FILE_VARIABLE];
    if (file === undefined) throw new Error(`${RESULT_FILE_VARIABLE} is not set`);
    await writeFile(file, report);
  }
}
