// A worker in JavaScript: finds the samples in the WAV file and hears their mean level.
const fs = require("fs");
const readline = require("readline");

function level(path) {
  const file = fs.readFileSync(path);
  if (file.toString("latin1", 0, 4) !== "RIFF" || file.readUInt16LE(34) !== 16) throw new Error("not 16-bit WAV");
  let at = 12;
  while (file.toString("latin1", at, at + 4) !== "data") at += 8 + file.readUInt32LE(at + 4);
  const count = file.readUInt32LE(at + 4) / 2;
  let sum = 0;
  for (let n = 0; n < count; n++) sum += Math.abs(file.readInt16LE(at + 8 + 2 * n)) * (1 + (n % 7));
  return sum / count;
}

function answer(request) {
  const heard = request.audio === null ? 0 : level(request.audio);
  if (request.candidates.length === 0) return { id: request.id, text: `a sound of level ${heard}` };
  const weights = request.candidates.map((_, n) => Math.exp(3 * Math.sin(heard * (n + 1))));
  const total = weights.reduce((one, other) => one + other);
  const scores = Object.fromEntries(request.candidates.map((label, n) => [label, Math.log(weights[n] / total)]));
  const best = request.candidates[weights.indexOf(Math.max(...weights))];
  return { id: request.id, text: best, ...(request.want_scores ? { scores } : {}) };
}

const say = (record) => process.stdout.write(JSON.stringify(record) + "\n");
say({ protocol: "pytest-mcr/1", name: "node-worker", fingerprint: "level-1" });
readline.createInterface({ input: process.stdin }).on("line", (line) => say(answer(JSON.parse(line))));
