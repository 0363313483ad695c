// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0
//
// A client of gRPC as npm has it, moved by lines of JSON: a request a line on the standard
// input, its answer a line on the standard output. Its twin in Go is client_test.go.
'use strict';
const grpc = require('@grpc/grpc-js');
const xds = require('@grpc/grpc-js-xds');
const readline = require('readline');

xds.register();

const channels = new Map();
const same = (bytes) => bytes;
let load = null; // {timer, calls, open}

// call makes one call and says how it ended; it never fails.
function call(r) {
  return new Promise((done) => {
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(r.headers || {})) metadata.set(key, value);
    const began = Date.now();
    let who = '';
    const options = {deadline: began + (r.timeoutMS || 30000)};
    const made = channels.get(r.channel).makeUnaryRequest(r.method, same, same, Buffer.alloc(r.bytes || 0), metadata, options, (err, answer) => {
      const end = {code: err ? err.code : 0, who, ms: Date.now() - began};
      if (err) end.text = err.details;
      else end.bytes = answer.length;
      done(end);
    });
    made.on('metadata', (m) => { who = (m.get('who')[0] || '').toString(); });
  });
}

// calls makes r.n calls, r.parallel at once, and says how each ended, in order.
async function calls(r) {
  const ends = new Array(r.n || 1);
  let next = 0;
  const worker = async () => {
    while (next < ends.length) {
      const i = next++;
      ends[i] = await call(r);
    }
  };
  await Promise.all(Array.from({length: Math.min(r.parallel || 1, ends.length)}, worker));
  return {calls: ends};
}

// ping sends one message of each size over a stream, the next when the last is back.
function ping(r) {
  return new Promise((done) => {
    const back = [];
    const stream = channels.get(r.channel).makeBidiStreamRequest(r.method, same, same, new grpc.Metadata(), {deadline: Date.now() + 30000});
    const send = () => {
      if (back.length === r.sizes.length) stream.end();
      else stream.write(Buffer.alloc(r.sizes[back.length]));
    };
    stream.on('data', (m) => { back.push(m.length); send(); });
    stream.on('error', () => {});
    stream.on('status', (s) => done({sizes: back, calls: [{code: s.code, text: s.details}]}));
    send();
  });
}

// begin calls every so often until stop.
function begin(r) {
  const state = {calls: [], open: new Set()};
  state.timer = setInterval(() => {
    const c = call(r).then((end) => { state.calls.push(end); state.open.delete(c); });
    state.open.add(c);
  }, r.everyMS);
  load = state;
  return {};
}

async function stop() {
  clearInterval(load.timer);
  await Promise.all(load.open);
  return {calls: load.calls};
}

// admin serves the client status service.
function admin() {
  return new Promise((done) => {
    const server = new grpc.Server();
    grpc.addAdminServicesToServer(server);
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (err, port) => {
      done(err ? {error: String(err)} : {addr: '127.0.0.1:' + port});
    });
  });
}

function dial(r) {
  let credentials = grpc.credentials.createInsecure();
  if (r.secure) credentials = new xds.XdsChannelCredentials(credentials);
  channels.set(r.channel, new grpc.Client(r.target, credentials));
  return {};
}

function hangup(r) {
  channels.get(r.channel).close();
  channels.delete(r.channel);
  return {};
}

const verbs = {dial, hangup, calls, ping, begin, stop, admin};

readline.createInterface({input: process.stdin}).on('line', async (line) => {
  const r = JSON.parse(line);
  let answer;
  try {
    answer = await verbs[r.do](r);
  } catch (err) {
    answer = {error: String(err)};
  }
  process.stdout.write(JSON.stringify({id: r.id, ...answer}) + '\n');
}).on('close', () => process.exit(0));
