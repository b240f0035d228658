// Counts in the primary that Sentinels name, with node-redis. Arguments: the Sentinels' ports.

const { createSentinel } = require("redis");

const sentinelRootNodes = process.argv
  .slice(2)
  .map((port) => ({ host: "127.0.0.1", port: Number(port) }));

async function count() {
  const sentinel = createSentinel({ name: "mm", sentinelRootNodes });
  sentinel.on("error", (error) => console.log(String(error)));
  await sentinel.connect();
  for (;;) {
    await sentinel.incr("node-redis").catch((error) => console.log(String(error)));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

count();
