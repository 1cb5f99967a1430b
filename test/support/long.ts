/** Sweeps and random runs take their full length with `--long`. */
export const LONG = process.env['MILLRACE_TEST_LONG'] === '1';
