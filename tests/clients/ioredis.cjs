// Counts in the primary that Sentinels name, with ioredis. Arguments: the Sentinels' ports.

const { Redis } = require("ioredis");

const sentinels = process.argv.slice(2).map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const primary = new Redis({ sentinels, name: "mm" });
primary.on("error", (error) => console.log(String(error)));

async function count() {
  for (;;) {
    await primary.incr("ioredis").catch((error) => console.log(String(error)));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

count();
