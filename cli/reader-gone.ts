import { endInOrder } from './interrupts.ts';

const EXIT_SIGPIPE = 141;

/**
 * Stops as Ctrl-C does when whoever read the output has gone (`| head`): what is begun is finished, nothing more is said, and the
 * exit code is the one that shells know from other tools. Returns whether that has happened.
 */
export function stopWithoutReader(): () => boolean {
  let isGone = false;
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    if (isGone) return;
    isGone = true;
    // Whatever code the command ends with by itself: its output is not whole.
    process.on('exit', () => (process.exitCode = EXIT_SIGPIPE));
    if (endInOrder()) return;
    if (process.listenerCount('SIGINT') === 0) process.exit();
    process.kill(process.pid, 'SIGINT');
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', onError);
  return () => isGone;
}
