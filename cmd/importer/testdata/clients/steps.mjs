// The steps of a client's life. Each is told when it is done; the first that
// fails ends the program. The last line is the balance, as JSON.

let steps = 0;

/** step runs one step of the life and gives what it returns. */
export async function step(what, run) {
  try {
    const value = await run();
    steps++;
    console.log(`ok ${steps} ${what}`);
    return value;
  } catch (error) {
    console.log(`not ok ${steps + 1} ${what}`);
    console.log(error.stack ?? error);
    if (error.body) console.log(error.body);
    process.exit(1);
  }
}

/** end tells that all steps were made. */
export function end(client, version) {
  console.log(JSON.stringify({ client, version, steps }));
}

/** env gives a variable that the program cannot do without. */
export function env(name) {
  const value = process.env[name];
  if (!value) {
    console.log(`${name} is not set: this program is started by importer/cmd/importer/internal/clients`);
    process.exit(2);
  }
  return value;
}

/** until asks again until the answer is there; a second is an age here. */
export async function until(what, ask) {
  for (const end = Date.now() + 30_000; Date.now() < end; await new Promise((r) => setTimeout(r, 5))) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`${what} did not happen in 30 s`);
}
